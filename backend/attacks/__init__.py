"""How a backdoor is planted: triggers, the generators behind them, poisoned rows, previews."""
