# What a task is made of, and where it runs. Nothing runs here by itself: there is no service.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
}

resource "aws_ecr_repository" "runner" {
  name                 = "${var.name}/runner"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.delete_data
  tags                 = var.tags

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = var.key_arn == null ? "AES256" : "KMS"
    kms_key         = var.key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "runner" {
  repository = aws_ecr_repository.runner.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The newest ${var.kept_images} are kept"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.kept_images }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_ecs_cluster" "this" {
  # checkov:skip=CKV_AWS_223: as the next one
  # checkov:skip=CKV_AWS_224: there is no log of what is typed: a task would need the right to write it, and every agent in it would have that too
  # checkov:skip=CKV_AWS_65: metrics of each task are billed also when nobody looks at them; `insights` has them counted
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.insights ? "enabled" : "disabled"
  }

  # Who enters a task stands in CloudTrail. What is typed does not: to write it down, a task would need the rights, and
  # every agent in it would have them too.
  configuration {
    execute_command_configuration {
      logging = "NONE"
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "runner" {
  # checkov:skip=CKV_AWS_338: what a job printed is kept with the job; CloudWatch keeps it while somebody may ask, and `log_days` says how long
  name              = "/${var.name}/runner"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
  tags              = var.tags
}

resource "aws_ecs_task_definition" "runner" {
  # checkov:skip=CKV_AWS_336: an agent works in its home and builds in its folders, which are in the image's file system; `readonly_root` closes it
  family                   = "${var.name}-runner"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu)
  memory                   = tostring(var.memory)
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  container_definitions = jsonencode([{
    name                   = "runner"
    image                  = "${aws_ecr_repository.runner.repository_url}:${var.image_tag}"
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = var.readonly_root
    # The longest that Fargate gives: the work is checkpointed in it.
    stopTimeout     = 120
    linuxParameters = { capabilities = { add = [], drop = ["ALL"] } }
    environment     = [for name, value in var.environment : { name = name, value = value }]
    secrets         = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    mountPoints     = []
    portMappings    = []
    systemControls  = []
    volumesFrom     = []

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.runner.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "sandbox"
      }
    }
  }])
}
