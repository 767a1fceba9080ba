{{/* Environment of a service: variables that the chart derives from the release, then its `settings` and `env`. */}}
{{- define "common.serviceEnvironment" -}}
{{- $prefix := printf "RATOON_%s_" (upper .part) -}}
{{- $entry := include "common.serviceEntry" . | fromYaml -}}
{{- $global := .root.Values.global -}}
{{- include "common.homeEnvironment" . }}
- {name: {{ $prefix }}STATE, value: /var/lib/ratoon}
- {name: {{ $prefix }}LISTEN, value: "0.0.0.0:50051"}
- {name: {{ $prefix }}METRICS, value: "0.0.0.0:9090"}
- {name: {{ $prefix }}KEYS, value: /etc/ratoon/keys}
- {name: {{ $prefix }}PEERS, value: {{ include "common.peers" (merge (dict "calls" $entry.calls) .) | quote }}}
{{- if ne $global.tls.mode "off" }}
- {name: {{ $prefix }}TLS, value: /etc/ratoon/tls}
{{- end }}
{{ include "common.databaseEnvironment" (dict "root" .root "part" .part "prefix" $prefix) }}
- {name: {{ $prefix }}EVENTS, value: {{ printf "kafka://%s" (include "common.brokers" .) | quote }}}
{{- include "common.kafkaEnvironment" (dict "root" .root "prefix" $prefix) }}
- {name: {{ $prefix }}ARTIFACTS_URL, value: {{ include "common.artifactsUrl" . | quote }}}
{{ include "common.artifactsEnvironment" . }}
{{- if $entry.jobs }}
- {name: {{ $prefix }}JOBS, value: {{ include "common.jobAddresses" . | quote }}}
{{- end }}
{{- with $global.observability.otlp }}
- {name: {{ $prefix }}OTLP, value: {{ . | quote }}}
- {name: {{ $prefix }}TRACE_RATIO, value: {{ $global.observability.traceRatio | toJson | quote }}}
{{- end }}
{{- if $entry.environment }}{{ include (printf "common.%sEnvironment" .part) . }}{{ end }}
{{- range $name, $value := .root.Values.settings }}
- {name: {{ $prefix }}{{ upper $name }}, value: {{ include "common.text" $value | quote }}}
{{- end }}
{{- with .root.Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* One database per service. A Secret of the operator contains the complete URL; a generated Secret contains the password. */}}
{{- define "common.databaseEnvironment" -}}
{{- $database := .root.Values.global.database -}}
{{- $key := printf "%sDATABASE_URL" .prefix -}}
{{- if $database.existingSecrets -}}
- name: {{ $key | toJson }}
  valueFrom: {secretKeyRef: {name: {{ $database.existingSecrets | replace "{service}" .part | toJson }}, key: url}}
{{- else -}}
- name: {{ upper .part }}_DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "common.name" . }}-database, key: password}}
- {name: {{ $key | toJson }}, value: "postgresql+psycopg://ratoon_{{ .part }}:$({{ upper .part }}_DATABASE_PASSWORD)@{{ include "common.name" (dict "root" .root "part" "postgresql") }}:5432/ratoon_{{ .part }}"}
{{- end -}}
{{- end -}}

{{/* Security settings of the Kafka client, unless the protocol is PLAINTEXT. */}}
{{- define "common.kafkaEnvironment" -}}
{{- $security := .root.Values.global.events.security -}}
{{- if ne $security.protocol "PLAINTEXT" }}
- {name: {{ .prefix }}KAFKA_SECURITY_PROTOCOL, value: {{ $security.protocol | toJson }}}
{{- end }}
{{- if $security.caSecret }}
- {name: {{ .prefix }}KAFKA_CA, value: /etc/ratoon/kafka/ca.crt}
{{- end }}
{{- with $security.credentialsSecret }}
- {name: {{ $.prefix }}KAFKA_SASL_MECHANISM, value: {{ $security.mechanism | toJson }}}
- name: {{ $.prefix }}KAFKA_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . | toJson }}, key: username}}
- name: {{ $.prefix }}KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . | toJson }}, key: password}}
{{- end }}
{{- end -}}

{{- define "common.ingestionEnvironment" }}
- name: RATOON_INGESTION_RECORD_SECRET
  valueFrom: {secretKeyRef: {name: {{ include "common.name" . }}-keys, key: record.secret}}
- {name: RATOON_INGESTION_EXECUTOR, value: {{ .root.Values.global.curation.executor | toJson }}}
{{- end -}}

{{- define "common.servingEnvironment" }}
- {name: RATOON_SERVING_ENGINES, value: kubernetes}
- {name: RATOON_SERVING_ENGINE_TEMPLATES, value: /etc/ratoon/engines}
- {name: RATOON_SERVING_NAMESPACE, value: {{ .root.Release.Namespace | toJson }}}
- {name: RATOON_SERVING_OWNER, value: {{ include "common.name" . | toJson }}}
{{- end -}}

{{- define "common.trainingEnvironment" }}
- {name: RATOON_TRAINING_WORKERS, value: /etc/ratoon/workers}
{{- if .root.Values.workers }}
- {name: RATOON_TRAINING_NAMESPACE, value: {{ .root.Release.Namespace | toJson }}}
- {name: RATOON_TRAINING_OWNER, value: {{ include "common.name" . | toJson }}}
{{- end }}
{{- end -}}

{{- define "common.gatewayEnvironment" }}
- {name: RATOON_GATEWAY_HOST, value: "0.0.0.0"}
- {name: RATOON_GATEWAY_PORT, value: "8080"}
- {name: RATOON_GATEWAY_GRPC, value: "0.0.0.0:8081"}
{{- end -}}
