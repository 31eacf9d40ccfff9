//! Every setting there is: its name and what it is for.

/// One setting: its name in the environment, what it is for, and what holds when nobody says.
pub struct Setting {
    /// The name in the environment and in `.env`; in lower case in the config file.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
}

macro_rules! settings {
    ($($name:literal: $about:literal;)*) => {
        /// Every setting there is; a name that is not here is not read.
        pub const ALL: &[Setting] = &[$(Setting { name: $name, about: $about }),*];
    };
}

settings! {
    "SANDBOX_LISTEN": "Address and port to serve on. Default 127.0.0.1:8000.";
    "SANDBOX_DATA_DIR": "Folder of the store, the seats and the memory. Default $XDG_DATA_HOME/sandbox.";
    "WORKSPACE_DIR": "Tenants' files stand beneath it, a folder each. Default <data>/workspace.";
    "AUTH_ENABLED": "true asks every request for a key. Default false.";
    "API_KEYS": "Keys and their clients as one JSON object; read before API_KEYS_FILE.";
    "API_KEYS_FILE": "A JSON file of keys and their clients. Default /etc/agent-sandbox/clients.json.";
    "SANDBOX_HOST_NAMES": "Further names this server is called by, with commas; for the check of Host.";
    "SANDBOX_TLS_CERT": "A certificate chain in PEM; with it the server speaks TLS.";
    "SANDBOX_TLS_KEY": "The certificate's key in PEM.";
    "SANDBOX_STORE": "Where jobs and memory are kept: sqlite, redis://host:port, rediss://…, unix:///path, or dynamodb://TABLE in AWS_REGION. Default sqlite.";
    "SANDBOX_OBJECTS": "With dynamodb://TABLE, where what is too large for the table stands: s3://BUCKET/FOLDER or file:///FOLDER. Default the folder objects of the data folder, which no other node sees.";
    "SANDBOX_REDIS_PASSWORD_FILE": "A file with the password for Redis.";
    "SANDBOX_REDIS_CA_FILE": "Certificates in PEM that Redis' own is checked against. Default the system's.";
    "SANDBOX_REDIS_PREFIX": "What this service's keys on Redis begin with. Default sandbox.";
    "SANDBOX_REDIS_REPLICAS": "Replicas of Redis that must have a write before it is acknowledged. Default 0.";
    "SANDBOX_REDIS_MAY_LOSE_A_SECOND": "true accepts a Redis with appendfsync everysec. Default false.";
    "SANDBOX_SLOTS": "Jobs at work at a time. Default from cores and memory.";
    "SANDBOX_QUEUE_LIMIT": "Jobs that may wait; more are refused with 429. Default 10000.";
    "SANDBOX_DEADLINE": "The deadline of a job that names none. Default 24h.";
    "SANDBOX_TTL_AFTER_FINISHED": "How long a finished job stays when it does not say, with its logs and artifacts, such as 168h; keep for ever with keep. Default 720h.";
    "SANDBOX_LOG_LIMIT": "Largest log of one attempt in bytes. Default 10485760.";
    "ANTHROPIC_API_KEY": "The key for model calls.";
    "ANTHROPIC_API_KEY_FILE": "A file that holds the key for model calls.";
    "ANTHROPIC_BASE_URL": "Where the model's API is. Default https://api.anthropic.com.";
    "SANDBOX_PRICES_FILE": "What models cost, in the form of runner/data/prices.toml; its rows replace the program's. Default none.";
    "SANDBOX_DBT_COMMAND": "The dbt program with its leading arguments. Default dbt.";
    "SANDBOX_AGENT_COMMAND": "The terminal agent with its leading arguments. Default claude.";
    "SANDBOX_AGENT_ENV": "More environment for terminal agents, NAME=VALUE with commas between, such as CARGO_HOME=/srv/cargo: their home is empty.";
    "SANDBOX_AGENT_TOKEN_FILE": "A file with a token of `claude setup-token` for terminal agents; goes before the API key.";
    "SANDBOX_AGENT_LOGIN": "true lets terminal agents use the login of your own claude, without what could renew it. Default false.";
    "SANDBOX_AGENT_LOGIN_FILE": "Where that login stands. Default .credentials.json in $CLAUDE_CONFIG_DIR or ~/.claude.";
    "SANDBOX_AGENT_LOGIN_RENEW": "A command that makes your own claude renew its login, such as claude -p ok. Default none: you do.";
    "SANDBOX_CHECKS_FILE": "The checks by which a farm's work is judged, by stack, in the form of runner/data/checks.toml. Default none.";
    "SANDBOX_FILE_URLS": "true lets jobs clone repositories of this machine by file://. Default false.";
    "SANDBOX_CLONE_LIMIT": "Largest clone in bytes. Default 4294967296.";
    "SANDBOX_GIT_TIMEOUT": "How long one clone, fetch or push may take, in seconds. Default 1800.";
    "SANDBOX_HOST_LISTEN": "Address and port at which this machine serves clusters, such as 0.0.0.0:7443; always over TLS. Default: it serves none.";
    "SANDBOX_HOST_TLS_CERT": "The certificate that clusters know this machine by, in PEM. Default <data>/host/cert.pem, made at the first use.";
    "SANDBOX_HOST_TLS_KEY": "Its key in PEM. Default <data>/host/key.pem.";
    "SANDBOX_HOST_TOKEN_FILE": "The file with the token that clusters show. Default <data>/host/token, made at the first use.";
    "SANDBOX_HOST_SLOTS": "Attempts of clusters at work at a time. Default as SANDBOX_SLOTS.";
    "SANDBOX_BACKENDS": "Where jobs may run of vps, container and fargate, with commas; the first is for jobs that do not say. Default vps,container.";
    "DOCKER_HOST": "Where the container engine is, such as unix:///var/run/docker.sock; the sockets of Docker and Podman are found by themselves.";
    "SANDBOX_CONTAINER_IMAGE": "The image of container jobs that name none. Default multi-agent-sandbox/runner:<version>.";
    "SANDBOX_CONTAINER_IMAGES": "Further images that jobs may name, with commas.";
    "SANDBOX_CONTAINER_HOSTS": "Hosts that restricted containers reach, with commas; *.domain and host:port too. Default: the model and two forges; add where your packages come from.";
    "SANDBOX_FARGATE_SECRETS_PREFIX": "What the names of tenants' secrets in Secrets Manager begin with, as PREFIX/TENANT/NAME. Default none: jobs in tasks that name one are refused.";
    "SANDBOX_FARGATE_CLUSTER": "An ECS cluster, by its name or ARN: with it, jobs may run as tasks of Fargate. Default none.";
    "SANDBOX_FARGATE_REGION": "The region of that cluster. Default what AWS_REGION or a profile says.";
    "SANDBOX_FARGATE_TASK_DEFINITION": "What tasks are made of, with its revision, such as sandbox-runner:3.";
    "SANDBOX_FARGATE_CONTAINER": "The container of the task definition that is the runner. Default runner.";
    "SANDBOX_FARGATE_SUBNETS": "Subnets of tasks, with commas.";
    "SANDBOX_FARGATE_SECURITY_GROUPS": "Security groups of tasks, with commas.";
    "SANDBOX_FARGATE_PUBLIC_ADDRESS": "true gives tasks a public address. Default false.";
    "SANDBOX_FARGATE_SEAT_DOOR": "Where tasks reach this machine, as https://HOST:PORT.";
    "SANDBOX_FARGATE_CAPACITY": "on-demand, spot or spot-with-fallback, for jobs that do not say. Default on-demand.";
    "SANDBOX_FARGATE_CPU": "Processors of a task whose job does not say. Default 1.";
    "SANDBOX_FARGATE_MEMORY": "Memory of a task whose job does not say. Default 4Gi.";
    "SANDBOX_FARGATE_TAGS": "More tags of each task, KEY=VALUE with commas between, for the allocation of costs.";
    "SANDBOX_FARGATE_LAUNCH_BURST": "Launches of each kind of capacity at once. Default 100, as AWS allows.";
    "SANDBOX_FARGATE_LAUNCHES": "Launches of each kind of capacity each second after that. Default 20, as AWS allows.";
    "SANDBOX_FARGATE_LOG_GROUP": "The CloudWatch log group that the task definition writes to. Default none: no logs are shown.";
    "SANDBOX_FARGATE_LOG_PREFIX": "What the task definition has log streams begin with. Default sandbox.";
    "SANDBOX_FARGATE_EXEC": "true lets people enter tasks by ECS Exec. Default false.";
    "SANDBOX_FARGATE_USD_PER_CPU": "What an hour of a processor costs. Default that of us-east-1, Linux, x86.";
    "SANDBOX_FARGATE_USD_PER_GIB": "What an hour of a GiB of memory costs. Default that of us-east-1, Linux, x86.";
    "SANDBOX_FARGATE_SPOT_PERCENT": "What Spot costs in hundredths of that. Default 100.";
    "SANDBOX_FARGATE_PREPARE_WITHIN": "Seconds that a task may be without capacity or its image. Default 600.";
    "SANDBOX_SEAT_LISTEN": "Address and port at which tasks of Fargate come in; always over TLS. Default 0.0.0.0:8443.";
    "SANDBOX_SEAT_NAMES": "Names in the certificate of that address, with commas. Default localhost,127.0.0.1.";
    "LOG_LEVEL": "error, warn, info, debug or trace. Default info.";
    "SANDBOX_SERVER": "Where the command line finds the server. Default http://127.0.0.1:8000.";
    "SANDBOX_API_KEY": "The key the command line sends.";
    "SANDBOX_API_KEY_FILE": "A file with the key the command line sends; serve, asked for keys and told none, makes it there.";
}
