# What somebody should look at. Each says what it means and what to do.

locals {
  aside = {
    for name, queue in aws_sqs_queue.aside : "aside-${name}" => {
      description = "Something failed again and again and lies in ${queue.name}: look at the log of ${var.name}-reconcile, then redrive the queue"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = queue.name }
      statistic   = "Maximum"
      threshold   = 0
    }
  }

  failing = {
    for name, function in aws_lambda_function.this : "errors-${name}" => {
      description = "${function.function_name} failed: its log says with what"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = function.function_name }
      statistic   = "Sum"
      threshold   = 0
    }
  }

  throttled = {
    for name, function in aws_lambda_function.this : "throttles-${name}" => {
      description = "${function.function_name} was not run for want of concurrent executions: raise the account's quota, or what is reserved"
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = function.function_name }
      statistic   = "Sum"
      threshold   = 0
    }
  }

  behind = {
    behind = {
      description = "Changes of jobs wait for more than a minute before ${var.name}-reconcile sees them"
      namespace   = "AWS/Lambda"
      metric      = "IteratorAge"
      dimensions  = { FunctionName = aws_lambda_function.this["reconcile"].function_name }
      statistic   = "Maximum"
      threshold   = 60000
    }
    answers = {
      description = "The API answers with 5xx: the log of ${var.name}-api says why"
      namespace   = "AWS/ApiGateway"
      metric      = "5xx"
      dimensions  = { ApiId = aws_apigatewayv2_api.this.id }
      statistic   = "Sum"
      threshold   = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(local.aside, local.failing, local.throttled, local.behind)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "sweep" {
  alarm_name          = "${var.name}-sweep"
  alarm_description   = "The sweep of every five minutes has not run for fifteen: look whether the rule ${var.name}-sweep is enabled"
  namespace           = "AWS/Events"
  metric_name         = "Invocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.this["sweep"].name }
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}
