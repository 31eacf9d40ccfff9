# Two roles: what a task may do, which every agent in it may too, and what ECS may do to start it.

locals {
  # Tasks of this account alone: nobody else's ECS can be made to use the roles.
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Tasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })
  seats  = "${var.bucket.arn}/seats/*"
  stream = "${aws_cloudwatch_log_group.runner.arn}:log-stream:*"
}

resource "aws_iam_role" "task" {
  name                 = "${var.name}-task"
  description          = "What an agent may do: its artifacts, and no more"
  assume_role_policy   = local.assume
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  # checkov:skip=CKV_AWS_355: ECS Exec opens a channel whose name nobody knows before; the table of exceptions in docs/aws.md has it
  # checkov:skip=CKV_AWS_290: as before: the four actions of a channel know no resource
  name = "task"
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Artifacts"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:PutObject"]
          Resource = local.seats
        },
        {
          Sid       = "ArtifactsByName"
          Effect    = "Allow"
          Action    = "s3:ListBucket"
          Resource  = var.bucket.arn
          Condition = { StringLike = { "s3:prefix" = "seats/*" } }
        },
      ],
      [for statement in [
        {
          Sid       = "Key"
          Effect    = "Allow"
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = var.key_arn
          Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
        },
      ] : statement if var.key_arn != null],
      [for statement in [
        {
          Sid    = "Exec"
          Effect = "Allow"
          Action = [
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
          ]
          Resource = "*"
        },
      ] : statement if var.exec],
    )
  })
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  description          = "What ECS may do to start a task: this image, this log group, these secrets"
  assume_role_policy   = local.assume
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "execution" {
  # checkov:skip=CKV_AWS_355: a token of the registry is of no repository; the table of exceptions in docs/aws.md has it
  name = "execution"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "RegistryToken"
          Effect   = "Allow"
          Action   = "ecr:GetAuthorizationToken"
          Resource = "*"
        },
        {
          Sid      = "Image"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = aws_ecr_repository.runner.arn
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = local.stream
        },
      ],
      [for statement in [
        {
          Sid      = "Secrets"
          Effect   = "Allow"
          Action   = "secretsmanager:GetSecretValue"
          Resource = values(var.secrets)
        },
      ] : statement if length(var.secrets) > 0],
      [for statement in [
        {
          Sid       = "SecretsKey"
          Effect    = "Allow"
          Action    = "kms:Decrypt"
          Resource  = var.key_arn
          Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
        },
      ] : statement if length(var.secrets) > 0 && var.key_arn != null],
    )
  })
}
