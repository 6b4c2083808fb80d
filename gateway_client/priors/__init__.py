"""Prior studies of patients, which an archive is asked to send to the destinations of new ones."""
