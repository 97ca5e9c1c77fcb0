"""The command `print-gateway`: what people type, over the native API."""
