{{/* The container of a job worker. Arguments: (dict "root" "part" "pool" "devices" "resources" "services" list). */}}
{{- define "common.jobWorker" -}}
{{- $pool := include "common.pool" . | fromYaml -}}
image: {{ include "common.image" (dict "root" .root "image" "worker" "flavour" $pool.flavour) | toJson }}
imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
command: [python]
args: [-m, ratoon.service.job_worker]
securityContext:
  {{- include "common.containerSecurity" . | nindent 2 }}
resources:
  {{- include "common.resources" (dict "resources" .resources "pool" $pool "devices" .devices) | nindent 2 }}
env:
  {{- include "common.homeEnvironment" . | nindent 2 }}
  - {name: RATOON_WORKER_STATE, value: /var/lib/ratoon}
  - {name: RATOON_WORKER_LISTEN, value: "0.0.0.0:50051"}
  - {name: RATOON_WORKER_METRICS, value: "0.0.0.0:9090"}
  - {name: RATOON_WORKER_KEYS, value: /etc/ratoon/keys}
  {{- if ne .root.Values.global.tls.mode "off" }}
  - {name: RATOON_WORKER_TLS, value: /etc/ratoon/tls}
  {{- end }}
  - {name: RATOON_WORKER_ARTIFACTS_URL, value: {{ include "common.artifactsUrl" . | quote }}}
  {{- with .root.Values.global.observability.otlp }}
  - {name: RATOON_WORKER_OTLP, value: {{ . | quote }}}
  {{- end }}
  {{- include "common.artifactsEnvironment" . | nindent 2 }}
  {{- with .env }}
  {{- . | nindent 2 }}
  {{- end }}
ports:
  - {name: grpc, containerPort: 50051}
  - {name: metrics, containerPort: 9090}
{{ include "common.probes" (dict "port" "metrics" "live" "/live" "ready" "/ready") }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: data, mountPath: /var/lib/ratoon}
  - {name: keys, mountPath: /etc/ratoon/keys, readOnly: true}
  - {name: shm, mountPath: /dev/shm}
  {{- if ne .root.Values.global.tls.mode "off" }}
  - {name: tls, mountPath: /etc/ratoon/tls, readOnly: true}
  {{- end }}
{{- end -}}

{{/* Volumes of the pod of a job worker, except `data`. */}}
{{- define "common.jobVolumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 4Gi}}
- {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ .sharedMemory | default "1Gi" | toJson }}}}
- name: keys
  {{- include "common.projected" (dict "secrets" (list (dict "name" (printf "%s-public-keys" (include "common.fullname" .root)) "files" (list "public.json" "model-signing.pub")))) | nindent 2 }}
{{- if ne .root.Values.global.tls.mode "off" }}
- name: tls
  {{- include "common.projected" (dict "secrets" (list (dict "name" (include "common.tlsSecret" .)))) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Requests and limits, including the accelerators of a pool. Arguments: (dict "resources" "pool" "devices"). */}}
{{- define "common.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .devices) 0 -}}
{{- if not .pool.deviceResource }}{{ fail (printf "%d devices are requested on a pool without accelerators: set deviceResource of the pool, or choose another pool." (int .devices)) }}{{ end -}}
{{- $count := dict .pool.deviceResource (include "common.text" .devices) -}}
{{- $_ := set $resources "limits" (merge (deepCopy $count) ($resources.limits | default dict)) -}}
{{- $_ := set $resources "requests" (merge (deepCopy $count) ($resources.requests | default dict)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
