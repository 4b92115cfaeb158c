"""Fine-tuning with its regularisers."""
