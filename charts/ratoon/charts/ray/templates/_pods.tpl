{{/* Environment of every Ray process. */}}
{{- define "ray.environment" -}}
{{- include "common.homeEnvironment" . }}
{{ include "ray.token" . }}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end -}}

{{- define "ray.probes" -}}
startupProbe:
  httpGet: {path: /api/local_raylet_healthz, port: agent}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 100
livenessProbe:
  httpGet: {path: /api/local_raylet_healthz, port: agent}
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 8
readinessProbe:
  httpGet: {path: /api/healthz, port: agent}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* Pod of the head: the Ray head, which does not train, and the job worker, whose drivers join as nodes without workers. */}}
{{- define "ray.headPod" -}}
{{- $pool := include "common.pool" (dict "root" .root "pool" .root.Values.head.pool) | fromYaml -}}
serviceAccountName: {{ include "common.name" . | toJson }}
automountServiceAccountToken: {{ include "ray.autoscales" . }}
enableServiceLinks: false
terminationGracePeriodSeconds: 60
securityContext:
  {{- include "common.podSecurity" . | nindent 2 }}
{{- include "common.pullSecrets" . }}
{{ include "common.placement" (merge (dict "pool" .root.Values.head.pool) .) }}
containers:
  - name: ray-head
    image: {{ include "common.image" (dict "root" .root "image" "worker" "flavour" $pool.flavour) | toJson }}
    imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
    command: [ray]
    args:
      - start
      - --head
      - --block
      - --port=6379
      - --node-ip-address=$(POD_IP)
      - --num-cpus=0
      - --include-dashboard={{ .root.Values.head.dashboard }}
      - --dashboard-host=0.0.0.0
      - --dashboard-port=8265
      - --dashboard-agent-listen-port=52365
      - --include-log-monitor=false
      {{- if eq (include "ray.autoscales" .) "true" }}
      - --no-monitor
      {{- end }}
      - --disable-usage-stats
    securityContext:
      {{- include "common.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml .root.Values.head.resources | nindent 6 }}
    env:
      {{- include "ray.environment" . | nindent 6 }}
    ports:
      - {name: gcs, containerPort: 6379}
      - {name: dashboard, containerPort: 8265}
      - {name: agent, containerPort: 52365}
    {{- include "ray.probes" . | nindent 4 }}
    volumeMounts:
      - {name: head-tmp, mountPath: /tmp}
      - {name: head-shm, mountPath: /dev/shm}
  - name: jobs
    {{- include "common.jobWorker" (merge (dict "pool" .root.Values.head.pool "devices" 0 "resources" .root.Values.jobs.resources "env" (include "ray.driverEnvironment" .)) .) | nindent 4 }}
volumes:
  - {name: head-tmp, emptyDir: {sizeLimit: 4Gi}}
  - {name: head-shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}
  {{- include "common.jobVolumes" (merge (dict "part" "training-jobs") .) | nindent 2 }}
  {{- if and (eq .root.Values.mode "kuberay") .root.Values.jobs.storage.persistent }}
  - {name: data, persistentVolumeClaim: {claimName: {{ include "common.name" . | toJson }}}}
  {{- end }}
  {{- include "common.volumeData" (dict "root" (dict "Values" (dict "storage" .root.Values.jobs.storage))) | nindent 2 }}
{{- end -}}

{{/* "true" if the KubeRay autoscaler runs in the pod of the head, which then calls the Kubernetes API. */}}
{{- define "ray.autoscales" -}}
{{- and (eq .root.Values.mode "kuberay") .root.Values.autoscaling -}}
{{- end -}}

{{/* Environment of drivers: the address of the Ray cluster that they join. */}}
{{- define "ray.driverEnvironment" -}}
{{ include "ray.token" . }}
- {name: RATOON_RAY_ADDRESS, value: "{{ include "common.name" (dict "root" .root "part" "ray-head") }}:6379"}
- {name: RATOON_RAY_NODE_ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
{{- end -}}

{{/* Token that authenticates Ray processes to each other. */}}
{{- define "ray.token" -}}
- {name: RAY_AUTH_MODE, value: token}
- name: RAY_AUTH_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "common.name" (dict "root" .root "part" "ray") | toJson }}, key: token}}
{{- end -}}

{{/* Group of workers, completed with defaults. Argument: the values of the group. */}}
{{- define "ray.group" -}}
{{- $replicas := hasKey . "replicas" | ternary .replicas 1 -}}
{{- $defaults := dict "replicas" $replicas "minReplicas" $replicas "maxReplicas" $replicas "cpus" 1 "devices" 0 "sharedMemory" "1Gi" "scratchSizeLimit" "6Gi" -}}
{{- include "common.completed" (dict "given" . "defaults" $defaults) -}}
{{- end -}}

{{/* Pod of a worker. Arguments: (dict "root" "part" "group" its values). */}}
{{- define "ray.workerPod" -}}
{{- $pool := include "common.pool" (dict "root" .root "pool" .group.pool) | fromYaml -}}
{{- $devices := int .group.devices -}}
serviceAccountName: {{ include "common.name" .}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 60
securityContext:
  {{- include "common.podSecurity" . | nindent 2 }}
{{- include "common.pullSecrets" . }}
{{ include "common.placement" (merge (dict "pool" .group.pool) .) }}
containers:
  - name: ray-worker
    image: {{ include "common.image" (dict "root" .root "image" "worker" "flavour" $pool.flavour) | toJson }}
    imagePullPolicy: {{ .root.Values.global.images.pullPolicy | toJson }}
    command: [ray]
    args:
      - start
      - --block
      - --address={{ include "common.name" (dict "root" .root "part" "ray-head") }}:6379
      - --node-ip-address=$(POD_IP)
      - --num-cpus={{ include "common.text" .group.cpus }}
      {{- if eq $pool.flavour "cuda" }}
      - --num-gpus={{ $devices }}
      {{- end }}
      {{- if eq $pool.flavour "neuron" }}
      - --resources={"neuron_cores":{{ $devices }}}
      {{- end }}
      - --dashboard-agent-listen-port=52365
      - --include-log-monitor=false
      - --disable-usage-stats
    securityContext:
      {{- include "common.containerSecurity" . | nindent 6 }}
    resources:
      {{- include "common.resources" (dict "resources" .group.resources "pool" $pool "devices" $devices) | nindent 6 }}
    env:
      {{- include "ray.environment" . | nindent 6 }}
      {{- include "common.artifactsEnvironment" . | nindent 6 }}
      {{- with .group.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - {name: agent, containerPort: 52365}
    {{- include "ray.probes" . | nindent 4 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: shm, mountPath: /dev/shm}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: {{ .group.scratchSizeLimit | toJson }}}}
  - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ .group.sharedMemory | toJson }}}}
{{- end -}}
