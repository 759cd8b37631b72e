# The reader in a container: CPU by default, an NVIDIA GPU with `--build-arg DEVICE=cuda`.
FROM python:3.12-slim

ARG DEVICE=cpu

# What opencv-python is linked to and a slim image lacks (docs/adr/0008).
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin reader \
    && install --directory --owner=reader --group=reader /data

# The layers of packages come before the code: a change of code does not download torch again.
# Every package to the version and with its hash, but for the CPU build of torch, which has its own index
# and is taken by its version (docs/adr/0039).
COPY requirements.lock requirements-torch.lock ./
RUN grep -oE '^torch(vision)?==[^ ;]+' requirements-torch.lock > /tmp/torch.txt \
    && case "$DEVICE" in \
        cpu) pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu -r /tmp/torch.txt ;; \
        cuda) pip install --no-cache-dir --no-deps --require-hashes -r requirements-torch.lock ;; \
        *) echo "DEVICE must be cpu or cuda, not $DEVICE" >&2; exit 1 ;; \
    esac \
    && rm /tmp/torch.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

COPY app.py wsgi.py gunicorn.conf.py ./
COPY pneumonia/ pneumonia/
COPY train/ train/
COPY templates/ templates/
COPY translations/ translations/
COPY static/ static/
COPY models/ models/

# The code is root's and the process is not: it can write to /data and /tmp only.
USER 10001
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    PNEUMONIA_LOG_FORMAT=json \
    PNEUMONIA_DATA_DIR=/data \
    PNEUMONIA_ACCOUNTS=required \
    HOST=0.0.0.0 \
    PORT=8000
VOLUME /data
EXPOSE 8000

# Ready means that the model is loaded and warm. No curl in a slim image, so Python asks.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]

CMD ["gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
