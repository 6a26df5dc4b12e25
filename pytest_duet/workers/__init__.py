"""A process that hosts a subject: how it is started, spoken to, held to its cores, and how it died."""
