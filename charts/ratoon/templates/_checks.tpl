{{/* Reject contradictory values before any resource is created. Each message states what to do. */}}
{{- define "ratoon.checks" -}}
{{- $global := .Values.global -}}
{{- include "ratoon.oneOf" (dict "own" .Values.kafka.enabled "given" $global.events.bootstrap "thing" "Kafka" "switch" "kafka.enabled" "value" "global.events.bootstrap") -}}
{{- include "ratoon.oneOf" (dict "own" .Values.postgresql.enabled "given" $global.database.existingSecrets "thing" "PostgreSQL" "switch" "postgresql.enabled" "value" "global.database.existingSecrets") -}}
{{- include "ratoon.oneOf" (dict "own" .Values.s3.enabled "given" $global.artifacts.bucket "thing" "artifact store" "switch" "s3.enabled" "value" "global.artifacts.bucket") -}}
{{- include "ratoon.placeholder" (dict "given" $global.database.existingSecrets "value" "global.database.existingSecrets") -}}
{{- include "ratoon.placeholder" (dict "given" $global.tls.existingSecrets "value" "global.tls.existingSecrets") -}}
{{- if and (eq $global.tls.mode "existing") (not $global.tls.existingSecrets) -}}
{{- fail "global.tls.mode is existing, but global.tls.existingSecrets is empty: set it to the name of your Secrets, for example ratoon-{service}-tls." -}}
{{- end -}}
{{- if and (eq $global.tls.mode "certManager") (not $global.tls.issuer) -}}
{{- fail "global.tls.mode is certManager, but global.tls.issuer is empty: set it to your issuer, for example {name: ratoon, kind: Issuer}." -}}
{{- end -}}
{{- $security := $global.events.security -}}
{{- if and (hasPrefix "SASL" $security.protocol) (not $security.credentialsSecret) -}}
{{- fail (printf "global.events.security.protocol is %s, but global.events.security.credentialsSecret is empty: set it to a Secret that contains username and password." $security.protocol) -}}
{{- end -}}
{{- if and (ne $security.protocol "PLAINTEXT") .Values.kafka.enabled -}}
{{- fail "The bundled Kafka supports only PLAINTEXT: set global.events.security.protocol to PLAINTEXT, or set kafka.enabled to false and global.events.bootstrap to your brokers." -}}
{{- end -}}
{{- include "ratoon.groups" . -}}
{{- $kind := get (.Values.serving.settings | default dict) "engine_pool" | default "cpu" -}}
{{- if not (hasKey .Values.engines $kind) -}}
{{- fail (printf "Serving creates engines of kind %q, but engines contains only: %s. Set serving.settings.engine_pool to one of them." $kind (keys .Values.engines | sortAlpha | join ", ")) -}}
{{- end -}}
{{- range $accelerator, $own := .Values.training.workers -}}
{{- $pool := include "common.pool" (dict "root" $ "pool" $own.pool) | fromYaml -}}
{{- if ne $pool.flavour $accelerator -}}
{{- fail (printf "training.workers.%s uses pool %s, which has flavour %s: set training.workers.%s.pool to a pool of flavour %s." $accelerator $own.pool $pool.flavour $accelerator $accelerator) -}}
{{- end -}}
{{- if eq $.Values.ray.mode "none" -}}
{{- fail (printf "training.workers.%s defines pods that join Ray, but ray.mode is none: remove training.workers.%s, or set ray.mode to static or kuberay." $accelerator $accelerator) -}}
{{- end -}}
{{- end -}}
{{- range $name, $pool := $global.pools -}}
{{- if and (ne $pool.flavour "cpu") (not $pool.deviceResource) -}}
{{- fail (printf "Pool %s has flavour %s but no deviceResource: set global.pools.%s.deviceResource, for example to %s." $name $pool.flavour $name (eq $pool.flavour "cuda" | ternary "nvidia.com/gpu" "aws.amazon.com/neuroncore")) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "gateway" "console" -}}
{{- $ingress := get (get $.Values $name) "ingress" | default dict -}}
{{- if and $ingress.enabled (not $ingress.hosts) -}}
{{- fail (printf "%s.ingress.enabled is true, but %s.ingress.hosts is empty: set it to the host names of the Ingress." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.gateway.httpRoute.enabled (not .Values.gateway.httpRoute.parentRefs) -}}
{{- fail "gateway.httpRoute.enabled is true, but gateway.httpRoute.parentRefs is empty: set it to the Gateways that the route attaches to." -}}
{{- end -}}
{{- range $name := list "ingestion" "labeling" "training" "evaluation" "registry" "serving" "flywheel" "gateway" -}}
{{- $settings := get (get $.Values $name) "settings" | default dict -}}
{{- range list "state" "listen" "metrics" "keys" "peers" "tls" "database_url" "events" "artifacts_url" "jobs" "otlp" "trace_ratio" -}}
{{- if hasKey $settings . -}}
{{- fail (printf "%s.settings.%s cannot be set: the chart derives it from other values." $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $drain := int (get (.Values.gateway.settings | default dict) "drain_s") -}}
{{- $least := add $drain (int .Values.gateway.drainDelaySeconds) 10 -}}
{{- if lt (int .Values.gateway.terminationGracePeriodSeconds) (int $least) -}}
{{- fail (printf "gateway.terminationGracePeriodSeconds is too short: set it to at least %d (gateway.settings.drain_s + gateway.drainDelaySeconds + 10), or a pod is killed while it still sends answers." $least) -}}
{{- end -}}
{{- end -}}

{{/* The values enable a bundled server or set an external one: exactly one of the two. */}}
{{- define "ratoon.oneOf" -}}
{{- if and .own .given -}}
{{- fail (printf "%s is true and %s is set: use either the bundled %s or your own. Set %s to false, or clear %s." .switch .value .thing .switch .value) -}}
{{- end -}}
{{- if not (or .own .given) -}}
{{- fail (printf "%s is false and %s is empty: set %s to your %s, or set %s to true to install a bundled development server." .switch .value .value .thing .switch) -}}
{{- end -}}
{{- end -}}

{{- define "ratoon.placeholder" -}}
{{- if and .given (not (contains "{service}" .given)) -}}
{{- fail (printf "%s is %q, one Secret for all services: add the placeholder {service} to the name, because each service needs its own Secret." .value .given) -}}
{{- end -}}
{{- end -}}

{{/* Exactly one group runs the jobs of each service. */}}
{{- define "ratoon.groups" -}}
{{- $seen := dict -}}
{{- range $group, $settings := .Values.global.workers -}}
{{- range $settings.services -}}
{{- if hasKey $seen . -}}
{{- fail (printf "Both %s and %s of global.workers run the jobs of %s: keep it in the services of only one group." (get $seen .) $group .) -}}
{{- end -}}
{{- $_ := set $seen . $group -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey $seen "training") (ne .Values.ray.mode "none") -}}
{{- fail (printf "Group %s of global.workers runs training, but ray.mode is %s: remove training from its services, or set ray.mode to none." (get $seen "training") .Values.ray.mode) -}}
{{- end -}}
{{- if and (eq .Values.ray.mode "none") (not (hasKey $seen "training")) -}}
{{- fail "ray.mode is none, but no group of global.workers runs training: add training to the services of one group." -}}
{{- end -}}
{{- if and (eq .Values.ray.mode "none") (eq .Values.global.curation.executor "ray") -}}
{{- fail "global.curation.executor is ray, but ray.mode is none: set the executor to pool, or ray.mode to static or kuberay." -}}
{{- end -}}
{{- end -}}
