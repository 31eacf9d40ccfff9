{{- define "sandbox.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Short enough for what is put behind it. */}}
{{- define "sandbox.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- $name := include "sandbox.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sandbox.release" -}}
app.kubernetes.io/name: {{ include "sandbox.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sandbox.selector" -}}
{{ include "sandbox.release" . }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "sandbox.ledgerSelector" -}}
{{ include "sandbox.release" . }}
app.kubernetes.io/component: ledger
{{- end }}

{{- define "sandbox.versions" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sandbox.labels" -}}
{{ include "sandbox.selector" . }}
{{ include "sandbox.versions" . }}
{{- end }}

{{- define "sandbox.ledgerLabels" -}}
{{ include "sandbox.ledgerSelector" . }}
{{ include "sandbox.versions" . }}
{{- end }}

{{- define "sandbox.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sandbox.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sandbox.priorityClassName" -}}
{{- if .Values.priorityClass.create }}
{{- default (include "sandbox.fullname" .) .Values.priorityClass.name }}
{{- else }}
{{- .Values.priorityClass.name }}
{{- end }}
{{- end }}

{{- /* A name of what is no namespace's: of one release among those of all namespaces. */}}
{{- define "sandbox.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "sandbox.fullname" .) }}
{{- end }}

{{- define "sandbox.image" -}}
{{- $image := index . 0 }}{{ $root := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- define "sandbox.seatService" -}}
{{- printf "%s-seat" (include "sandbox.fullname" .) }}
{{- end }}

{{- define "sandbox.seatSecret" -}}
{{- printf "%s-seat-tls" (include "sandbox.fullname" .) }}
{{- end }}

{{- define "sandbox.keysSecret" -}}
{{- printf "%s-api-keys" (include "sandbox.fullname" .) }}
{{- end }}

{{- /* Whether the operator makes the first API key itself. */}}
{{- define "sandbox.ownKeys" -}}
{{- if and .Values.api.auth.required (not .Values.api.auth.existingSecret) }}true{{ end }}
{{- end }}

{{- define "sandbox.ledger" -}}
{{- printf "%s-ledger" (include "sandbox.fullname" .) }}
{{- end }}

{{- /* Whether memory is kept by a ledger of the chart's own. */}}
{{- define "sandbox.ownLedger" -}}
{{- if and .Values.elf.ledger.enabled (not .Values.elf.url) }}true{{ end }}
{{- end }}

{{- /* The shared memory, as the operator is told of it. */}}
{{- define "sandbox.elf" -}}
{{- if include "sandbox.ownLedger" . }}
{{- printf "https://%s.%s.svc:%v" (include "sandbox.ledger" .) .Release.Namespace .Values.elf.ledger.port }}
{{- else }}
{{- .Values.elf.url }}
{{- end }}
{{- end }}

{{- /* The Secrets of the ledger, and the keys in them: yours, or the chart's own where memory is the chart's own. Empty: none. */}}
{{- define "sandbox.ledgerSecret" -}}
{{- $yours := index . 0 }}{{ $root := index . 1 }}
{{- if $yours.name }}
{{- $yours.name }}
{{- else if include "sandbox.ownLedger" $root }}
{{- include "sandbox.ledger" $root }}
{{- end }}
{{- end }}

{{- /* What the operator does with jobs and their pods, in a namespace where it looks after jobs. */}}
{{- define "sandbox.jobRules" -}}
- apiGroups: [multiagent.dev]
  resources: [agentjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [multiagent.dev]
  resources: [agentjobs/status]
  verbs: [update]
- apiGroups: [multiagent.dev]
  resources: [runnerhosts]
  verbs: [list, watch]
- apiGroups: [multiagent.dev]
  resources: [runnerhosts/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
