"""What is true, and since when: models, baselines, reports, incidents, decisions and promotions in one SQL database."""
