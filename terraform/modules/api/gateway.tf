# The door: every request goes to the function `api`, which knows routes and keys.

resource "aws_apigatewayv2_api" "this" {
  name            = var.name
  description     = "Jobs of AI agents"
  protocol_type   = "HTTP"
  ip_address_type = var.ip_address_type
  tags            = var.tags
}

resource "aws_apigatewayv2_integration" "api" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = aws_lambda_function.this["api"].invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "all" {
  # checkov:skip=CKV_AWS_309: keys are checked by the program, as at each of its doors, and some routes are open to all
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$default"
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.api.id}"
}

resource "aws_cloudwatch_log_group" "requests" {
  # checkov:skip=CKV_AWS_338: one line for each request is of use for weeks; `log_days` says how long it is kept
  name              = "/${var.name}/requests"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.rate.per_second
    throttling_burst_limit = var.rate.at_once
  }

  # No header and no query: keys and tokens stand there.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.requests.arn
    format = jsonencode({
      id      = "$context.requestId"
      at      = "$context.requestTime"
      from    = "$context.identity.sourceIp"
      method  = "$context.httpMethod"
      path    = "$context.path"
      status  = "$context.status"
      millis  = "$context.responseLatency"
      problem = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_lambda_permission" "gateway" {
  statement_id  = "Gateway"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["api"].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/$default"
}
