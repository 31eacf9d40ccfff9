# Wakes, which come when their time has come, and where things are laid aside that failed again and again: nothing is
# lost, and an alarm tells of it.

resource "aws_sqs_queue" "wakes" {
  name                              = "${var.name}-wakes"
  message_retention_seconds         = 4 * 24 * 3600
  visibility_timeout_seconds        = 6 * local.timeouts.reconcile
  receive_wait_time_seconds         = 20
  sqs_managed_sse_enabled           = var.key_arn == null ? true : null
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = var.key_arn == null ? null : 3600
  tags                              = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.aside["wakes"].arn
    maxReceiveCount     = var.tries
  })
}

resource "aws_sqs_queue" "aside" {
  for_each = toset(["wakes", "changes", "events"])

  name                              = "${var.name}-${each.key}-aside"
  message_retention_seconds         = 14 * 24 * 3600
  sqs_managed_sse_enabled           = var.key_arn == null ? true : null
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = var.key_arn == null ? null : 3600
  tags                              = var.tags
}

resource "aws_sqs_queue_redrive_allow_policy" "wakes" {
  queue_url = aws_sqs_queue.aside["wakes"].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.wakes.arn]
  })
}

locals {
  queues = merge({ queue = aws_sqs_queue.wakes }, aws_sqs_queue.aside)
}

resource "aws_sqs_queue_policy" "all" {
  # The names are known before the queues are.
  for_each = toset(["queue", "wakes", "changes", "events"])

  queue_url = local.queues[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queues[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      [for statement in [{
        Sid       = "Undelivered"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queues[each.key].arn
        Condition = { ArnEquals = { "aws:SourceArn" = [for rule in aws_cloudwatch_event_rule.this : rule.arn] } }
      }] : statement if each.key == "events"],
    )
  })
}
