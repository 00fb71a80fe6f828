# Stands in for the image of Grafana, under its user's number.
ARG BASE
FROM ${BASE}
COPY grafana.py /grafana.py
RUN install -d -o 472 -g 0 /var/lib/grafana
USER 472:0
ENTRYPOINT ["python3", "/grafana.py"]
