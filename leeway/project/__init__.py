"""The project file: parsed, validated with line numbers, and its addresses resolved."""
