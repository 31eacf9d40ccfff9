# One program, two functions: `api` answers requests, `reconcile` starts and stops tasks. Only their rights differ, and
# what calls them.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  url       = aws_apigatewayv2_api.this.api_endpoint

  secrets_prefix = "${var.name}/tenants"

  records = {
    SANDBOX_STORE                  = "dynamodb://${var.records_table.name}"
    SANDBOX_ELF                    = "dynamodb://${var.memory_table.name}"
    SANDBOX_OBJECTS                = "s3://${var.bucket.name}"
    SANDBOX_SEAT_SECRET            = aws_secretsmanager_secret.seats.arn
    SANDBOX_SEAT_DOOR              = local.url
    SANDBOX_FARGATE_LOG_GROUP      = var.log_group.name
    SANDBOX_FARGATE_SECRETS_PREFIX = local.secrets_prefix
  }

  tasks = {
    SANDBOX_WAKES                   = aws_sqs_queue.wakes.url
    SANDBOX_FARGATE_CLUSTER         = var.cluster.name
    SANDBOX_FARGATE_TASK_DEFINITION = var.task_definition.revision
    SANDBOX_FARGATE_SUBNETS         = join(",", var.subnet_ids)
    SANDBOX_FARGATE_SECURITY_GROUPS = join(",", var.security_group_ids)
    SANDBOX_FARGATE_PUBLIC_ADDRESS  = tostring(var.public_address)
    SANDBOX_FARGATE_SEAT_DOOR       = local.url
    SANDBOX_FARGATE_CAPACITY        = var.capacity
    SANDBOX_FARGATE_EXEC            = tostring(var.exec)
  }

  # In seconds.
  timeouts = { api = 30, reconcile = 60 }

  environments = {
    api       = merge(local.records, { SANDBOX_KEYS_SECRET = aws_secretsmanager_secret.keys.arn })
    reconcile = merge(local.records, local.tasks)
  }
}

resource "aws_cloudwatch_log_group" "functions" {
  # checkov:skip=CKV_AWS_338: what happened to a job stands in its record; `log_days` says how long more is kept
  for_each = local.timeouts

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_117: in a network it would need a NAT gateway or endpoints, billed by the hour; it reaches AWS's own services alone
  # checkov:skip=CKV_AWS_272: the package is built by who applies this; who signs code adds a configuration to the account
  # checkov:skip=CKV_AWS_50: traces are billed by the request; logs and alarms tell what failed
  # checkov:skip=CKV_AWS_115: a new account has too few executions to keep any back; `reserved_concurrency` does
  # checkov:skip=CKV_AWS_116: what calls each without waiting lays what failed aside in queues of its own, in events.tf
  for_each = local.timeouts
  # Rights and the log are there before the first call.
  depends_on = [aws_iam_role_policy.functions, aws_cloudwatch_log_group.functions]

  function_name                  = "${var.name}-${each.key}"
  role                           = aws_iam_role.functions[each.key].arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  memory_size                    = var.memory
  timeout                        = each.value
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.key_arn
  tags                           = var.tags

  environment {
    variables = local.environments[each.key]
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.functions[each.key].name
  }
}
