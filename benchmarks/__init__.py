"""Speed and memory, measured side by side in one run and told as ratios: machines are shared, seconds mean little."""
