"""The local stack: broker, Flink cluster, PostgreSQL and Prefect on this machine, and Leeway's services on them."""
