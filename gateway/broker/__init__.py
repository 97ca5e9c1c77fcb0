"""An MQTT broker for people who have none: amqtt as a child process. Its cost and its crashes are its own."""
