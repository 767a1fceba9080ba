{{/* Resources that the bundled development servers share: ServiceAccount, budget, Service, policy. Arguments: (dict "root" "part" "port"). */}}
{{- define "common.trialAround" -}}
{{- include "common.serviceAccount" . }}
{{ include "common.disruptionBudget" . }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "common.selector" . | nindent 4 }}
  ports:
    - {name: {{ .part | toJson }}, port: {{ .port | toJson }}, targetPort: server}
{{- if .root.Values.global.networkPolicies.enabled }}
{{ include "common.policy" (merge (dict "egress" "" "ingress" (include "common.rule" (dict "root" .root "way" "from" "parts" .callers "ports" (list .port)))) .) }}
{{- end }}
{{- end -}}

{{/* Beginning of the spec of a StatefulSet with one pod. */}}
{{- define "common.trialSpec" -}}
serviceName: {{ include "common.name" . | toJson }}
replicas: 1
{{- if .root.Values.storage.persistent }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ .root.Values.global.keep.data | ternary "Retain" "Delete" | toJson }}
  whenScaled: Retain
{{- end }}
selector:
  matchLabels:
    {{- include "common.selector" . | nindent 4 }}
{{- end -}}

{{- define "common.trialPod" -}}
serviceAccountName: {{ include "common.name" . | toJson }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 60
securityContext:
  {{- include "common.podSecurity" . | nindent 2 }}
{{ include "common.pullSecrets" . }}
{{ include "common.placement" (merge (dict "pool" .root.Values.pool) .) }}
{{- end -}}

{{/* Volume `data`: a volume claim of the StatefulSet, or an emptyDir of the pod. */}}
{{- define "common.volumeClaims" -}}
{{- if .root.Values.storage.persistent -}}
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .root.Values.storage.className }}
      storageClassName: {{ . | toJson }}
      {{- end }}
      resources: {requests: {storage: {{ .root.Values.storage.size | toJson }}}}
{{- end -}}
{{- end -}}

{{- define "common.volumeData" -}}
{{- if not .root.Values.storage.persistent -}}
- {name: data, emptyDir: {sizeLimit: {{ .root.Values.storage.size | toJson }}}}
{{- end -}}
{{- end -}}

{{/* Probes of a server without HTTP: they check the TCP port. */}}
{{- define "common.portProbes" -}}
startupProbe:
  tcpSocket: {port: server}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  tcpSocket: {port: server}
  periodSeconds: 20
  failureThreshold: 6
readinessProbe:
  tcpSocket: {port: server}
  periodSeconds: 3
{{- end -}}

{{- define "common.serviceNames" -}}
{{- keys (include "common.services" . | fromYaml) | sortAlpha | toJson -}}
{{- end -}}
