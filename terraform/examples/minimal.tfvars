# The least that a deployment needs: one GPU, Firebase Hosting in front, no alerts by mail.
project_id = "duologue-example"
