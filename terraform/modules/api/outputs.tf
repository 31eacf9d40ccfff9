output "url" {
  description = "Where the API is: `SANDBOX_SERVER` of the command line."
  value       = local.url
}

output "keys_secret" {
  description = "The secret that holds the keys of the API's clients."
  value       = aws_secretsmanager_secret.keys.arn
}

output "seats_secret" {
  description = "The secret that the tokens of runners are signed with."
  value       = aws_secretsmanager_secret.seats.arn
}

output "functions" {
  description = "The functions, by what they do."
  value       = { for name, function in aws_lambda_function.this : name => function.function_name }
}

output "queues" {
  description = "The queue of wakes, and those in which lies what failed again and again."
  value       = { for name, queue in local.queues : name => queue.url }
}

output "sweep_rule" {
  description = "The rule of the sweep of every five minutes."
  value       = aws_cloudwatch_event_rule.this["sweep"].name
}

output "event_sources" {
  description = "What polls for `reconcile`: the ids of its event source mappings."
  value = {
    changes = aws_lambda_event_source_mapping.changes.uuid
    wakes   = aws_lambda_event_source_mapping.wakes.uuid
  }
}

output "standing" {
  description = "How many secrets and alarms are billed by the month."
  value = {
    secrets = 2
    alarms  = length(aws_cloudwatch_metric_alarm.this) + 1
  }
}

output "secrets_prefix" {
  description = "What the names of tenants' secrets begin with: a job of TENANT that names NAME is given PREFIX/TENANT/NAME."
  value       = local.secrets_prefix
}
