{{/* What contradicts itself is refused before anything is made, each with a sentence that says what to do. */}}
{{- define "ratoon.checks" -}}
{{- $global := .Values.global -}}
{{- include "ratoon.oneOf" (dict "own" .Values.kafka.enabled "given" $global.events.bootstrap "thing" "Kafka" "switch" "kafka.enabled" "value" "global.events.bootstrap") -}}
{{- include "ratoon.oneOf" (dict "own" .Values.postgresql.enabled "given" $global.database.existingSecrets "thing" "PostgreSQL" "switch" "postgresql.enabled" "value" "global.database.existingSecrets") -}}
{{- include "ratoon.oneOf" (dict "own" .Values.s3.enabled "given" $global.artifacts.bucket "thing" "artifact store" "switch" "s3.enabled" "value" "global.artifacts.bucket") -}}
{{- include "ratoon.placeholder" (dict "given" $global.database.existingSecrets "value" "global.database.existingSecrets") -}}
{{- include "ratoon.placeholder" (dict "given" $global.tls.existingSecrets "value" "global.tls.existingSecrets") -}}
{{- if and (eq $global.tls.mode "existing") (not $global.tls.existingSecrets) -}}
{{- fail "global.tls.mode is existing, and global.tls.existingSecrets names no Secrets: say for example ratoon-{service}-tls." -}}
{{- end -}}
{{- if and (eq $global.tls.mode "certManager") (not $global.tls.issuer) -}}
{{- fail "global.tls.mode is certManager, and global.tls.issuer names no issuer: say for example {name: ratoon, kind: Issuer}." -}}
{{- end -}}
{{- $security := $global.events.security -}}
{{- if and (hasPrefix "SASL" $security.protocol) (not $security.credentialsSecret) -}}
{{- fail (printf "global.events.security.protocol is %s, and credentialsSecret names no Secret with username and password." $security.protocol) -}}
{{- end -}}
{{- if and (ne $security.protocol "PLAINTEXT") .Values.kafka.enabled -}}
{{- fail "The release's own Kafka speaks PLAINTEXT only: leave global.events.security.protocol as it is, or name brokers of yours." -}}
{{- end -}}
{{- include "ratoon.groups" . -}}
{{- $kind := get (.Values.serving.settings | default dict) "engine_pool" | default "cpu" -}}
{{- if not (hasKey .Values.engines $kind) -}}
{{- fail (printf "Serving makes engines of the kind %q, and engines has: %s. Name one of them in serving.settings.engine_pool." $kind (keys .Values.engines | sortAlpha | join ", ")) -}}
{{- end -}}
{{- range $accelerator, $own := .Values.training.workers -}}
{{- $pool := include "common.pool" (dict "root" $ "pool" $own.pool) | fromYaml -}}
{{- if ne $pool.flavour $accelerator -}}
{{- fail (printf "training.workers.%s names the pool %s, whose flavour is %s: name one of flavour %s." $accelerator $own.pool $pool.flavour $accelerator) -}}
{{- end -}}
{{- if eq $.Values.ray.mode "none" -}}
{{- fail (printf "training.workers.%s asks for pods that join Ray while ray.mode is none: take it out, or let the release bring Ray." $accelerator) -}}
{{- end -}}
{{- end -}}
{{- range $name, $pool := $global.pools -}}
{{- if and (ne $pool.flavour "cpu") (not $pool.deviceResource) -}}
{{- fail (printf "The pool %s is of flavour %s and has no deviceResource: say for example %s." $name $pool.flavour (eq $pool.flavour "cuda" | ternary "nvidia.com/gpu" "aws.amazon.com/neuroncore")) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "gateway" "console" -}}
{{- $ingress := get (get $.Values $name) "ingress" | default dict -}}
{{- if and $ingress.enabled (not $ingress.hosts) -}}
{{- fail (printf "%s.ingress is enabled and has no hosts: name those under which callers reach it." $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.gateway.httpRoute.enabled (not .Values.gateway.httpRoute.parentRefs) -}}
{{- fail "gateway.httpRoute is enabled and has no parentRefs: name the Gateway that it belongs to." -}}
{{- end -}}
{{- range $name := list "ingestion" "labeling" "training" "evaluation" "registry" "serving" "flywheel" "gateway" -}}
{{- $settings := get (get $.Values $name) "settings" | default dict -}}
{{- range list "state" "listen" "metrics" "keys" "peers" "tls" "database_url" "events" "artifacts_url" "jobs" "otlp" "trace_ratio" -}}
{{- if hasKey $settings . -}}
{{- fail (printf "%s.settings.%s cannot be set: it follows from other values." $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $drain := int (get (.Values.gateway.settings | default dict) "drain_s") -}}
{{- $least := add $drain (int .Values.gateway.drainDelaySeconds) 10 -}}
{{- if lt (int .Values.gateway.terminationGracePeriodSeconds) (int $least) -}}
{{- fail (printf "gateway.terminationGracePeriodSeconds is shorter than gateway.settings.drain_s and drainDelaySeconds with 10 s to spare (%d): a pod would be killed while answers are being written." $least) -}}
{{- end -}}
{{- end -}}

{{/* The release brings a server along, or is told of one: not neither, not both. */}}
{{- define "ratoon.oneOf" -}}
{{- if and .own .given -}}
{{- fail (printf "%s is true and %s is set: let the release bring its own %s along, or name yours, not both." .switch .value .thing) -}}
{{- end -}}
{{- if not (or .own .given) -}}
{{- fail (printf "%s is false and %s is empty: name your %s, or let the release bring one along for trying out." .switch .value .thing) -}}
{{- end -}}
{{- end -}}

{{- define "ratoon.placeholder" -}}
{{- if and .given (not (contains "{service}" .given)) -}}
{{- fail (printf "%s is %q, one Secret for all services: put {service} into the name, for each has its own." .value .given) -}}
{{- end -}}
{{- end -}}

{{/* Each service has its jobs done by one group. */}}
{{- define "ratoon.groups" -}}
{{- $seen := dict -}}
{{- range $group, $told := .Values.global.workers -}}
{{- range $told.services -}}
{{- if hasKey $seen . -}}
{{- fail (printf "Both %s and %s of global.workers run the jobs of %s: name it in one." (get $seen .) $group .) -}}
{{- end -}}
{{- $_ := set $seen . $group -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $seen "training") (ne .Values.ray.mode "none") -}}
{{- fail (printf "%s of global.workers runs training while ray.mode is %s: take training out of it, or set ray.mode to none." (get $seen "training") .Values.ray.mode) -}}
{{- end -}}
{{- if and (eq .Values.ray.mode "none") (not (hasKey $seen "training")) -}}
{{- fail "ray.mode is none, and no group of global.workers runs training: name it in the services of one." -}}
{{- end -}}
{{- end -}}
