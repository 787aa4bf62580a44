"""Events in Kafka: connections, offset ranges, records as JSON, Avro or Arrow, and schema registries."""
