# Excise in a container.  Build arguments:
#   BASE_IMAGE   a Debian-based Python 3.11 image (with the CUDA driver libraries for a GPU)
#   TORCH_INDEX  the package index that torch comes from, for a CPU-only or a particular CUDA build;
#                empty: the default index, whose Linux build carries CUDA
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

ARG TORCH_INDEX=""
WORKDIR /app
COPY requirements.txt .
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.txt)"; \
    fi \
    && sed '/^# Test/,$d' requirements.txt > /tmp/requirements.txt \
    && pip install --no-cache-dir -r /tmp/requirements.txt

RUN useradd --create-home --uid 1000 excise && mkdir /data && chown excise /data
COPY app.py LICENSE ./
COPY .streamlit .streamlit
COPY assets assets
COPY backend backend
COPY pages pages

USER excise
ENV EXCISE_HOME=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"
# 0.0.0.0 inside the container only: publish it as -p 127.0.0.1:8501:8501.
CMD ["python", "-m", "backend", "dashboard", "--address", "0.0.0.0", "--port", "8501"]
