# The page on the embedded world, or on any workspace that is mounted:
#   docker build -t whence .
#   docker build -t whence:cuda --build-arg DEVICE=cuda .
#   docker run --rm -p 127.0.0.1:7860:7860 whence
FROM python:3.11-slim

# Of which build torch is: the index of the CPU's is named on the command line where one is wanted
# (--build-arg TORCH_INDEX=...); the default index's carries CUDA, which runs on a CPU too, only larger.
ARG DEVICE=cpu
ARG TORCH_INDEX=
ENV WHENCE_DEVICE=${DEVICE} \
    GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=PASSIVE GRADIO_ANALYTICS_ENABLED=False \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1

# OpenVINO and torch need OpenMP; everything else comes with its wheel.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*

WORKDIR /whence
COPY requirements.txt requirements-data.txt ./
RUN PIP_INDEX_URL="$TORCH_INDEX" pip install "$(grep '^torch==' requirements.txt)" \
    && pip install -r requirements.txt -r requirements-data.txt

RUN useradd --create-home --uid 1000 whence && mkdir /runs && chown whence /runs
COPY --chown=whence . .
USER whence

VOLUME /runs
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"
# Inside a container the page listens to all; who reaches it is what `-p` says.
CMD ["sh", "-c", "exec python app.py --host 0.0.0.0 --device \"$WHENCE_DEVICE\" --runs /runs"]
