"""A typed client of the native API: `GatewayClient(Address(…))`. Knows HTTP, not the engine or the store."""
