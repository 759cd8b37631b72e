# The reader in a container: CPU by default, an NVIDIA GPU with `--build-arg DEVICE=cuda`.
ARG DEVICE=cpu

FROM python:3.12-slim AS base

# What opencv-python is linked to and a slim image lacks (docs/adr/0008).
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin reader \
    && install --directory --owner=reader --group=reader /data

# The layers of packages come before the code: a change of code does not download them again.
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

# With PyTorch: for a GPU it serves; for a CPU it only converts the networks (docs/adr/0052). Every package to the
# version and with its hash, but for the CPU build, which has its own index (docs/adr/0039).
FROM base AS pytorch
ARG DEVICE
COPY requirements-torch.lock ./
RUN grep -oE '^torch(vision)?==[^ ;]+' requirements-torch.lock > /tmp/torch.txt \
    && case "$DEVICE" in \
        cpu) pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu -r /tmp/torch.txt ;; \
        cuda) pip install --no-cache-dir --no-deps --require-hashes -r requirements-torch.lock ;; \
        *) echo "DEVICE must be cpu or cuda, not $DEVICE" >&2; exit 1 ;; \
    esac \
    && rm /tmp/torch.txt

FROM pytorch AS converted
COPY pneumonia/ pneumonia/
COPY models/ models/
RUN python -c "from pathlib import Path; from pneumonia.analysis.predictor import Predictor; \
Predictor.load(Path('models/default'), 'cpu', cache=Path('/engines'))"

FROM base AS served-on-cpu
FROM pytorch AS served-on-cuda

# hadolint ignore=DL3006
FROM served-on-${DEVICE}
WORKDIR /app
COPY app.py wsgi.py gunicorn.conf.py ./
COPY pneumonia/ pneumonia/
COPY train/ train/
COPY templates/ templates/
COPY translations/ translations/
COPY static/ static/
COPY models/ models/
COPY --from=converted /engines/ engines/

# The code is root's and the process is not: it can write to /data and /tmp only.
USER 10001
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    PNEUMONIA_LOG_FORMAT=json \
    PNEUMONIA_DATA_DIR=/data \
    PNEUMONIA_ENGINES_DIR=/app/engines \
    PNEUMONIA_ACCOUNTS=required \
    HOST=0.0.0.0 \
    PORT=8000
VOLUME /data
EXPOSE 8000

# Ready means that the model is loaded and warm. No curl in a slim image, so Python asks.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]

CMD ["gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
