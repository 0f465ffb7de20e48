# GPEN WebUI on CPUs: the server, or a worker for one (docs/cluster.md).
FROM python:3.12-slim-bookworm

# The program sets itself up in its own folder, so that folder is its user's.
RUN useradd --create-home --uid 1000 gpen \
    && mkdir --parents /opt/gpen-webui /data \
    && chown gpen:gpen /opt/gpen-webui /data
USER gpen
WORKDIR /opt/gpen-webui
COPY --chown=gpen:gpen . .

# Fetches every library in the version that was tested, those of the cluster too.
RUN ./run.sh worker --help > /dev/null

ENV GPEN_WEBUI_OUTPUTS=/data/outputs
VOLUME /data
EXPOSE 7860
ENTRYPOINT ["./run.sh"]
CMD ["serve", "--host", "0.0.0.0", "--no-browser"]
