"""A printer that is its own MQTT broker: a simulated Bambu Lab machine on the LAN, files over implicit FTPS."""
