# What calls `reconcile`: a change of a job, a wake, what ECS says of a task, and every five minutes the clock, which
# finds whatever the others have missed.

resource "aws_lambda_event_source_mapping" "changes" {
  event_source_arn                   = var.records_table.stream_arn
  function_name                      = aws_lambda_function.this["reconcile"].arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 100
  function_response_types            = ["ReportBatchItemFailures"]
  bisect_batch_on_function_error     = true
  maximum_retry_attempts             = var.tries
  maximum_record_age_in_seconds      = 3600
  parallelization_factor             = 2
  maximum_batching_window_in_seconds = 0
  tags                               = var.tags

  # Jobs alone: names, pools and sites change together with one.
  filter_criteria {
    filter {
      pattern = jsonencode({ dynamodb = { Keys = { pk = { S = [{ prefix = "job#" }] } } } })
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.aside["changes"].arn
    }
  }
}

resource "aws_lambda_event_source_mapping" "wakes" {
  event_source_arn        = aws_sqs_queue.wakes.arn
  function_name           = aws_lambda_function.this["reconcile"].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = var.wakes_at_once
  }
}

locals {
  rules = {
    tasks = {
      description = "What ECS says of the tasks of ${var.cluster.name}"
      schedule    = null
      pattern = jsonencode({
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail      = { clusterArn = [var.cluster.arn] }
      })
    }
    sweep = {
      description = "Looks for what no other event has told"
      schedule    = "rate(5 minutes)"
      pattern     = null
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name                = "${var.name}-${each.key}"
  description         = each.value.description
  event_pattern       = each.value.pattern
  schedule_expression = each.value.schedule
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "reconcile" {
  for_each = local.rules

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "reconcile"
  arn       = aws_lambda_function.this["reconcile"].arn

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 10
  }

  dead_letter_config {
    arn = aws_sqs_queue.aside["events"].arn
  }
}

resource "aws_lambda_permission" "events" {
  for_each = local.rules

  statement_id  = "Events-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["reconcile"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

# An event that was taken and failed: the sweep sees what it was about, too.
resource "aws_lambda_function_event_invoke_config" "reconcile" {
  function_name                = aws_lambda_function.this["reconcile"].function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.aside["events"].arn
    }
  }
}
