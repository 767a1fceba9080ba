{{/* Defaults of the dedicated pods of a training run. */}}
{{- define "ratoon.runWorkerDefaults" -}}
{cpus: 1, sharedMemory: 1Gi, scratchSizeLimit: 16Gi, env: []}
{{- end -}}

{{/*
Template of the dedicated pods of a training run: a Deployment without a name, which training completes. Its memory is the
maximum of one pod. The pods offer no CPUs to Ray, so Ray schedules no other run on them.
Arguments: (dict "root" "own" the values of an accelerator).
*/}}
{{- define "ratoon.runWorker" -}}
{{- $worker := dict "root" .root "part" "ray-worker" -}}
{{- $pool := include "common.pool" (dict "root" .root "pool" .own.pool) | fromYaml -}}
{{- $amounts := dict "cpu" (include "common.text" .own.cpus) "memory" .own.maxMemory "ephemeral-storage" .own.scratchSizeLimit -}}
{{- $group := deepCopy .own -}}
{{- $_ := set $group "cpus" 0 -}}
{{- $_ := set $group "devices" (eq $pool.flavour "cpu" | ternary 0 1) -}}
{{- $_ := set $group "resources" (dict "requests" $amounts "limits" $amounts) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    {{- include "common.podLabels" $worker | nindent 4 }}
spec:
  revisionHistoryLimit: 1
  template:
    metadata:
      labels:
        {{- include "common.podLabels" $worker | nindent 8 }}
    spec:
      {{- include "ray.workerPod" (merge (dict "group" $group) $worker) | nindent 6 }}
{{- end -}}

{{/* Groups of pods that all training runs share, as JSON. Argument: the root context. */}}
{{- define "ratoon.runGroups" -}}
{{- $groups := list -}}
{{- if eq .Values.ray.mode "none" -}}
{{- range $name, $settings := .Values.global.workers -}}
{{- if has "training" $settings.services -}}
{{- $groups = append $groups (include "ratoon.runGroup" (dict "root" $ "name" (printf "global.workers.%s" $name) "told" $settings "pods" 1 "places" 64) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- range $name, $settings := .Values.ray.workers -}}
{{- $group := include "ray.group" $settings | fromYaml -}}
{{- $pods := and (eq $.Values.ray.mode "kuberay") $.Values.ray.autoscaling | ternary $group.maxReplicas $group.replicas -}}
{{- $groups = append $groups (include "ratoon.runGroup" (dict "root" $ "name" (printf "ray.workers.%s" $name) "told" $group "pods" $pods "places" $group.cpus) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- toJson $groups -}}
{{- end -}}

{{/* One group of shared pods: accelerator, number of pods, number of workers that fit in a pod, and memory of a pod. */}}
{{- define "ratoon.runGroup" -}}
{{- $resources := .told.resources -}}
{{- $memory := dig "limits" "memory" (dig "requests" "memory" "" $resources) $resources -}}
{{- if not $memory -}}
{{- fail (printf "%s.resources has no memory: set a limit or a request, because runs are admitted by memory." .name) -}}
{{- end -}}
{{- $devices := int .told.devices -}}
{{- $flavour := get (include "common.pool" (dict "root" .root "pool" .told.pool) | fromYaml) "flavour" -}}
accelerator: {{ gt $devices 0 | ternary (upper $flavour) "CPU" | toJson }}
pods: {{ int .pods | toJson }}
places: {{ gt $devices 0 | ternary $devices (int .places) | toJson }}
memory: {{ $memory | quote }}
{{- end -}}
