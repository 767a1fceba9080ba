{{/* All resources of one of the eight services. Argument: the context of the sub-chart, whose name is the name of the service. */}}
{{- define "common.service" -}}
{{- $part := .Chart.Name -}}
{{- $given := dict "root" . "part" $part "annotations" .Values.serviceAccount.annotations -}}
{{- include "common.serviceAccount" $given }}
{{ include "common.disruptionBudget" $given }}
{{- include "common.certificate" $given }}
{{ include "common.kubernetesService" $given }}
{{ include "common.serviceDeployment" $given }}
{{- if .Values.global.networkPolicies.enabled }}
{{ include "common.servicePolicy" $given }}
{{- end }}
{{- end -}}

{{- define "common.kubernetesService" -}}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "common.selector" . | nindent 4 }}
  ports:
    - {name: grpc, port: 50051, targetPort: grpc}
    - {name: metrics, port: 9090, targetPort: metrics}
    {{- if eq .part "gateway" }}
    - {name: http, port: 8080, targetPort: http}
    - {name: public-grpc, port: 8081, targetPort: public-grpc}
    {{- end }}
{{- end -}}

{{- define "common.serviceDeployment" -}}
{{- $entry := include "common.serviceEntry" . | fromYaml -}}
{{- $values := .root.Values -}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  replicas: {{ $values.replicas | toJson }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "common.podLabels" . | nindent 8 }}
      {{- with $values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "common.name" . | toJson }}
      automountServiceAccountToken: {{ include "common.callsApi" . }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds | toJson }}
      securityContext:
        {{- include "common.podSecurity" . | nindent 8 }}
      {{- include "common.pullSecrets" . | nindent 6 }}
      {{- include "common.placement" (merge (dict "pool" $values.pool) .) | nindent 6 }}
      initContainers:
        - name: migrate
          {{- include "common.serviceContainer" . | nindent 10 }}
          args: [-m, ratoon_{{ .part }}, migrate]
      containers:
        - name: {{ .part | toJson }}
          {{- include "common.serviceContainer" . | nindent 10 }}
          args: [-m, ratoon_{{ .part }}]
          ports:
            - {name: grpc, containerPort: 50051}
            - {name: metrics, containerPort: 9090}
            {{- if eq .part "gateway" }}
            - {name: http, containerPort: 8080}
            - {name: public-grpc, containerPort: 8081}
            {{- end }}
          {{- include "common.probes" (dict "port" "metrics" "live" "/live" "ready" "/ready") | nindent 10 }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ $values.drainDelaySeconds | toJson }}}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
        - {name: state, emptyDir: {sizeLimit: {{ $values.stateSizeLimit | toJson }}}}
        - name: keys
          {{- $own := dict "name" (printf "%s-keys" (include "common.name" .)) "files" $entry.files }}
          {{- $public := dict "name" (printf "%s-public-keys" (include "common.fullname" .root)) }}
          {{- $operator := dict "name" (printf "%s-operator" (include "common.fullname" .root)) }}
          {{- $secrets := eq .part "gateway" | ternary (list $own $public $operator) (list $own $public) }}
          {{- include "common.projected" (dict "secrets" $secrets) | nindent 10 }}
        {{- if ne .root.Values.global.tls.mode "off" }}
        - name: tls
          {{- include "common.projected" (dict "secrets" (list (dict "name" (include "common.tlsSecret" .)))) | nindent 10 }}
        {{- end }}
        {{- with .root.Values.global.events.security.caSecret }}
        - {name: kafka-ca, secret: {secretName: {{ . | toJson }}, defaultMode: 0440}}
        {{- end }}
        {{- if eq .part "serving" }}
        - {name: engines, configMap: {name: {{ include "common.fullname" .root }}-engines}}
        {{- end }}
        {{- if eq .part "training" }}
        - {name: workers, configMap: {name: {{ include "common.fullname" .root }}-run-workers}}
        {{- end }}
{{- end -}}

{{/* Fields that the migration container and the service container share: image, environment, files, resources. */}}
{{- define "common.serviceContainer" -}}
image: {{ include "common.image" (dict "root" .root "image" "services") | toJson }}
imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
command: [python]
securityContext:
  {{- include "common.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .root.Values.resources | nindent 2 }}
env:
  {{- include "common.serviceEnvironment" . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: state, mountPath: /var/lib/ratoon}
  - {name: keys, mountPath: /etc/ratoon/keys, readOnly: true}
  {{- if ne .root.Values.global.tls.mode "off" }}
  - {name: tls, mountPath: /etc/ratoon/tls, readOnly: true}
  {{- end }}
  {{- if .root.Values.global.events.security.caSecret }}
  - {name: kafka-ca, mountPath: /etc/ratoon/kafka, readOnly: true}
  {{- end }}
  {{- if eq .part "serving" }}
  - {name: engines, mountPath: /etc/ratoon/engines, readOnly: true}
  {{- end }}
  {{- if eq .part "training" }}
  - {name: workers, mountPath: /etc/ratoon/workers, readOnly: true}
  {{- end }}
{{- end -}}
