"""Any test that calls ``benchmark`` as a subject: what hosts it in a worker, and what runs its trials."""
