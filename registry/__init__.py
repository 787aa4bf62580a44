"""The model registry: models, baselines, reports, incidents, decisions and promotions in one SQL database."""
