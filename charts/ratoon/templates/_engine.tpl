{{/* Defaults of a kind of engine. */}}
{{- define "ratoon.engineDefaults" -}}
{capacity: 0, devices: 0, kvCacheMiB: 0, maxModelLen: 2048, dtype: float32, arguments: [], drainSeconds: 1800, weightsSizeLimit: 64Gi, weightsClassName: "", sharedMemory: 4Gi, env: []}
{{- end -}}

{{/* Template of a kind of engine: a Deployment without a name, which serving completes. Arguments: (dict "root" "part" "engine" its values). */}}
{{- define "ratoon.engine" -}}
{{- $engine := .engine -}}
{{- $pool := include "common.pool" (dict "root" .root "pool" $engine.pool) | fromYaml -}}
{{- $image := include "common.image" (dict "root" .root "image" "worker" "flavour" $pool.flavour) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    {{- include "common.selector" . | nindent 4 }}
    app.kubernetes.io/part-of: ratoon
  annotations:
    ratoon.dev/accelerator: {{ $pool.flavour | toJson }}
    {{- if $engine.capacity }}
    ratoon.dev/capacity: {{ include "common.text" $engine.capacity | quote }}
    {{- end }}
spec:
  revisionHistoryLimit: 1
  template:
    metadata:
      labels:
        {{- include "common.selector" . | nindent 8 }}
        app.kubernetes.io/part-of: ratoon
    spec:
      serviceAccountName: {{ include "common.name" . | toJson }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ add $engine.drainSeconds 60 | toJson }}
      securityContext:
        {{- include "common.podSecurity" . | nindent 8 }}
      {{- include "common.pullSecrets" . | nindent 6 }}
      {{- include "common.placement" (merge (dict "pool" $engine.pool) .) | nindent 6 }}
      initContainers:
        - name: fetch
          image: {{ $image | toJson }}
          imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
          command: [python, -m, ratoon.engine.fetch]
          terminationMessagePolicy: FallbackToLogsOnError
          securityContext:
            {{- include "common.containerSecurity" . | nindent 12 }}
          resources:
            {{- include "common.resources" (dict "resources" $engine.resources "pool" $pool "devices" 0) | nindent 12 }}
          env:
            {{- include "ratoon.engineEnvironment" . | nindent 12 }}
          volumeMounts:
            {{- include "ratoon.engineMounts" . | nindent 12 }}
      containers:
        - name: engine
          image: {{ $image | toJson }}
          imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
          command: [python, -m, ratoon.engine]
          terminationMessagePolicy: FallbackToLogsOnError
          securityContext:
            {{- include "common.containerSecurity" . | nindent 12 }}
          resources:
            {{- include "common.resources" (dict "resources" $engine.resources "pool" $pool "devices" $engine.devices) | nindent 12 }}
          env:
            {{- include "ratoon.engineEnvironment" . | nindent 12 }}
          ports:
            - {name: http, containerPort: 8000}
          startupProbe:
            httpGet: {path: /ratoon/ready, port: http}
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 900
          readinessProbe:
            httpGet: {path: /ratoon/ready, port: http}
            periodSeconds: 5
            timeoutSeconds: 5
          lifecycle:
            preStop:
              exec: {command: [python, -m, ratoon.engine.drain]}
          volumeMounts:
            {{- include "ratoon.engineMounts" . | nindent 12 }}
      volumes:
        - {name: engine, secret: {secretName: "", defaultMode: 0440}}
        - name: keys
          {{- include "common.projected" (dict "secrets" (list (dict "name" (printf "%s-public-keys" (include "common.fullname" .root)) "files" (list "model-signing.pub")))) | nindent 10 }}
        {{- if $engine.weightsClassName }}
        - name: state
          ephemeral:
            volumeClaimTemplate:
              spec:
                accessModes: [ReadWriteOnce]
                storageClassName: {{ $engine.weightsClassName | toJson }}
                resources: {requests: {storage: {{ $engine.weightsSizeLimit | toJson }}}}
        {{- else }}
        - {name: state, emptyDir: {sizeLimit: {{ $engine.weightsSizeLimit | toJson }}}}
        {{- end }}
        - {name: tmp, emptyDir: {sizeLimit: 4Gi}}
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ $engine.sharedMemory | toJson }}}}
{{- end -}}

{{- define "ratoon.engineMounts" -}}
- {name: engine, mountPath: /etc/ratoon/engine, readOnly: true}
- {name: keys, mountPath: /etc/ratoon/keys, readOnly: true}
- {name: state, mountPath: /var/lib/ratoon}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- end -}}

{{- define "ratoon.engineEnvironment" -}}
{{- $engine := .engine -}}
- {name: RATOON_ENGINE_SETTINGS, value: /etc/ratoon/engine/engine.json}
- {name: RATOON_ENGINE_FOLDER, value: /var/lib/ratoon}
- {name: RATOON_ENGINE_PUBLIC_KEY, value: /etc/ratoon/keys/model-signing.pub}
- {name: RATOON_ENGINE_ARTIFACTS_URL, value: {{ include "common.artifactsUrl" . | quote }}}
- {name: RATOON_ENGINE_DTYPE, value: {{ $engine.dtype | toJson }}}
- {name: RATOON_ENGINE_KV_CACHE_MIB, value: {{ include "common.text" $engine.kvCacheMiB | quote }}}
- {name: RATOON_ENGINE_MAX_MODEL_LEN, value: {{ include "common.text" $engine.maxModelLen | quote }}}
- {name: RATOON_ENGINE_DRAIN_S, value: {{ include "common.text" $engine.drainSeconds | quote }}}
{{- with $engine.arguments }}
- {name: RATOON_ENGINE_ARGUMENTS, value: {{ toJson . | quote }}}
{{- end }}
{{- with .root.Values.global.observability.otlp }}
- {name: RATOON_ENGINE_OTLP, value: {{ . | quote }}}
{{- end }}
- {name: HF_HUB_OFFLINE, value: "1"}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
{{ include "common.homeEnvironment" . }}
{{ include "common.artifactsEnvironment" . }}
{{- with $engine.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}
