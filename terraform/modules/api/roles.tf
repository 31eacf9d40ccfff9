# What each function may do. `api`, which the world talks to, can neither start a task nor pass a role.

locals {
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Functions"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  ecs  = "arn:${local.partition}:ecs:${local.region}:${local.account}"
  task = "${local.ecs}:task/${var.cluster.name}/*"

  # Those of tenants, which jobs name.
  tenant_secrets = "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${local.secrets_prefix}/*"

  # What both do: the two tables, the bucket, what runners print.
  shared = concat(
    [
      {
        Sid    = "Records"
        Effect = "Allow"
        Action = [
          "dynamodb:BatchGetItem",
          "dynamodb:ConditionCheckItem",
          "dynamodb:DeleteItem",
          "dynamodb:DescribeTable",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:UpdateItem",
        ]
        Resource = var.records_table.arn
      },
      {
        Sid    = "Memory"
        Effect = "Allow"
        Action = [
          "dynamodb:BatchGetItem",
          "dynamodb:BatchWriteItem",
          "dynamodb:DeleteItem",
          "dynamodb:DescribeTable",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
        ]
        Resource = var.memory_table.arn
      },
      {
        Sid      = "Indexes"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = var.records_table.index_arns
      },
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = "${var.bucket.arn}/*"
      },
      {
        Sid      = "ObjectsByName"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.bucket.arn
      },
      {
        Sid      = "TaskLogs"
        Effect   = "Allow"
        Action   = "logs:GetLogEvents"
        Resource = "${var.log_group.arn}:log-stream:*"
      },
    ],
    [for statement in [{
      Sid    = "Key"
      Effect = "Allow"
      Action = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
      ]
      Resource = var.key_arn
      Condition = {
        StringEquals = {
          "kms:ViaService" = [for service in ["dynamodb", "lambda", "s3", "secretsmanager", "sqs"] : "${service}.${local.region}.amazonaws.com"]
        }
      }
    }] : statement if var.key_arn != null],
  )

  own = {
    api = [
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = [aws_secretsmanager_secret.keys.arn, aws_secretsmanager_secret.seats.arn]
      },
      {
        Sid      = "TenantSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = local.tenant_secrets
      },
    ]
    reconcile = [
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = aws_secretsmanager_secret.seats.arn
      },
      {
        Sid      = "TenantSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:DescribeSecret"
        Resource = local.tenant_secrets
      },
      {
        Sid       = "StartTasks"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = "${local.ecs}:task-definition/${var.task_definition.family}:*"
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster.arn } }
      },
      {
        Sid       = "TagTasks"
        Effect    = "Allow"
        Action    = "ecs:TagResource"
        Resource  = local.task
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid       = "Tasks"
        Effect    = "Allow"
        Action    = ["ecs:DescribeTasks", "ecs:StopTask"]
        Resource  = local.task
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster.arn } }
      },
      {
        Sid       = "FindTasks"
        Effect    = "Allow"
        Action    = "ecs:ListTasks"
        Resource  = "*"
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster.arn } }
      },
      {
        Sid       = "TaskRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.task_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "Changes"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        Resource = var.records_table.stream_arn
      },
      {
        Sid      = "FindChanges"
        Effect   = "Allow"
        Action   = "dynamodb:ListStreams"
        Resource = var.records_table.stream_arns
      },
      {
        Sid    = "Wakes"
        Effect = "Allow"
        Action = [
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ReceiveMessage",
          "sqs:SendMessage",
        ]
        Resource = aws_sqs_queue.wakes.arn
      },
      {
        Sid      = "LaidAside"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = [aws_sqs_queue.aside["changes"].arn, aws_sqs_queue.aside["events"].arn]
      },
    ]
  }
}

resource "aws_iam_role" "functions" {
  for_each = local.timeouts

  name                 = "${var.name}-${each.key}"
  description          = "What the function `${each.key}` may do"
  assume_role_policy   = local.assume
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "functions" {
  # checkov:skip=CKV_AWS_355: ECS lists tasks of no resource, and the condition names the cluster; the table of exceptions in docs/aws.md has it
  for_each = local.timeouts

  name = each.key
  role = aws_iam_role.functions[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.shared, local.own[each.key], [{
      Sid      = "OwnLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.functions[each.key].arn}:log-stream:*"
    }])
  })
}
