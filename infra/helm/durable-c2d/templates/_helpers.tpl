{{- define "c2d.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "c2d.instance" -}}
{{- default .Release.Name .Values.instance -}}
{{- end -}}

{{- define "c2d.jobsNamespace" -}}
{{- default (printf "%s-jobs" (include "c2d.fullname" .)) .Values.jobs.namespace.name -}}
{{- end -}}

{{- /* Labels that select pods; they never change. */ -}}
{{- define "c2d.selectorLabels" -}}
app.kubernetes.io/name: durable-c2d
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "c2d.labels" -}}
{{ include "c2d.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "c2d.image" -}}
{{- $image := .image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- /* An address as a network of one. */ -}}
{{- define "c2d.hostNetwork" -}}
{{ . }}/{{ ternary "128" "32" (contains ":" .) }}
{{- end -}}
