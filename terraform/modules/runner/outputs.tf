output "repository_url" {
  description = "Where the runner's image is pushed to."
  value       = aws_ecr_repository.runner.repository_url
}

output "cluster" {
  description = "Where tasks run: the cluster's name and ARN."
  value = {
    name = aws_ecs_cluster.this.name
    arn  = aws_ecs_cluster.this.arn
  }
}

output "task_definition" {
  description = "What tasks are made of: its family, and the family with the revision that new attempts start with."
  value = {
    family   = aws_ecs_task_definition.runner.family
    revision = "${aws_ecs_task_definition.runner.family}:${aws_ecs_task_definition.runner.revision}"
  }
}

output "role_arns" {
  description = "The roles that are passed to a task: its own, and that of its start."
  value       = [aws_iam_role.task.arn, aws_iam_role.execution.arn]
}

output "log_group" {
  description = "Where runners print to: the log group's name and ARN."
  value = {
    name = aws_cloudwatch_log_group.runner.name
    arn  = aws_cloudwatch_log_group.runner.arn
  }
}
