{{- /* What is missing, said by name before anything is made. */ -}}
{{- define "c2d.validate" -}}
{{- if eq (include "c2d.jobsNamespace" .) .Release.Namespace -}}
{{- fail "jobs.namespace.name: the jobs need a namespace of their own, the processes' is another" -}}
{{- end -}}
{{- if not .Values.environments -}}
{{- fail "environments: offer at least one compute environment, see docs/configuration.md" -}}
{{- end -}}
{{- if not (or .Values.chains .Values.secrets.chains.name) -}}
{{- fail "chains: name at least one chain, or the secret that has them (secrets.chains)" -}}
{{- end -}}
{{- $_ := required "temporal.address: name Temporal's frontend as host:port" .Values.temporal.address -}}
{{- $_ := required "secrets.database.name: name the secret with the PostgreSQL address" .Values.secrets.database.name -}}
{{- $_ := required "secrets.encryptionKeys.name: name the secret with the encryption keys" .Values.secrets.encryptionKeys.name -}}
{{- $_ := required "secrets.providerKey.name: name the secret with the provider's private key" .Values.secrets.providerKey.name -}}
{{- if not (or .Values.storage.existingClaim .Values.storage.stores .Values.secrets.stores.name) -}}
{{- fail "storage.existingClaim: name the claim for results, or other stores (storage.stores, secrets.stores)" -}}
{{- end -}}
{{- end -}}

{{- /* Keys that every process has; texts only, secrets by the path of their file. */ -}}
{{- define "c2d.commonEnv" -}}
{{- $values := .Values -}}
- { name: C2D_RUNTIME, value: kubernetes }
- { name: C2D_HEALTH_HOST, value: 0.0.0.0 }
- { name: C2D_HEALTH_PORT, value: '9090' }
- { name: C2D_TEMPORAL_ADDRESS, value: {{ $values.temporal.address | quote }} }
- { name: C2D_TEMPORAL_NAMESPACE, value: {{ $values.temporal.namespace | quote }} }
- { name: C2D_TEMPORAL_TLS, value: {{ $values.temporal.tls | quote }} }
- { name: DATABASE_URL, value: file:///etc/durable-c2d/secrets/database-url }
- { name: C2D_ENCRYPTION_KEYS, value: file:///etc/durable-c2d/secrets/encryption-keys }
- { name: C2D_PROVIDER_PRIVATE_KEY, value: file:///etc/durable-c2d/secrets/provider-key }
{{- if $values.secrets.formerProviderKeys.name }}
- { name: C2D_FORMER_PROVIDER_PRIVATE_KEYS, value: file:///etc/durable-c2d/secrets/former-provider-keys }
{{- end }}
{{- if $values.secrets.temporalApiKey.name }}
- { name: C2D_TEMPORAL_API_KEY, value: file:///etc/durable-c2d/secrets/temporal-api-key }
{{- end }}
{{- if $values.temporal.certificates.name }}
{{- if $values.temporal.certificates.authority }}
- { name: C2D_TEMPORAL_TLS_AUTHORITY, value: file:///etc/durable-c2d/secrets/temporal-authority }
{{- end }}
{{- if $values.temporal.certificates.client }}
- { name: C2D_TEMPORAL_TLS_CERTIFICATE, value: file:///etc/durable-c2d/secrets/temporal-certificate }
- { name: C2D_TEMPORAL_TLS_KEY, value: file:///etc/durable-c2d/secrets/temporal-key }
{{- end }}
{{- end }}
{{- if $values.temporal.serverName }}
- { name: C2D_TEMPORAL_TLS_SERVER_NAME, value: {{ $values.temporal.serverName | quote }} }
{{- end }}
- { name: C2D_ENVIRONMENTS, value: file:///etc/durable-c2d/config/environments.json }
- { name: C2D_CHAINS, value: file:///etc/durable-c2d/{{ ternary "secrets" "config" (ne $values.secrets.chains.name "") }}/chains.json }
{{- range $key, $value := $values.settings }}
- { name: {{ $key }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}

{{- /* The stores, for those who write, read or remove results. */ -}}
{{- define "c2d.storageEnv" -}}
{{- if .Values.storage.existingClaim }}
- { name: C2D_STORAGE_FOLDER, value: /var/lib/durable-c2d }
{{- end }}
{{- if .Values.secrets.stores.name }}
- { name: C2D_STORES, value: file:///etc/durable-c2d/secrets/stores.json }
{{- else if .Values.storage.stores }}
- { name: C2D_STORES, value: file:///etc/durable-c2d/config/stores.json }
{{- end }}
{{- end -}}

{{- define "c2d.secretFile" -}}
- secret:
    name: {{ .secret.name }}
    items: [{ key: {{ .secret.key | quote }}, path: {{ .path }} }]
{{ end -}}

{{- /* Every secret as a file of one folder, readable by the processes' group alone. */ -}}
{{- define "c2d.secretFiles" -}}
{{- $secrets := .Values.secrets -}}
{{- include "c2d.secretFile" (dict "secret" $secrets.database "path" "database-url") -}}
{{- include "c2d.secretFile" (dict "secret" $secrets.encryptionKeys "path" "encryption-keys") -}}
{{- include "c2d.secretFile" (dict "secret" $secrets.providerKey "path" "provider-key") -}}
{{- if $secrets.formerProviderKeys.name -}}
{{- include "c2d.secretFile" (dict "secret" $secrets.formerProviderKeys "path" "former-provider-keys") -}}
{{- end -}}
{{- if $secrets.chains.name -}}
{{- include "c2d.secretFile" (dict "secret" $secrets.chains "path" "chains.json") -}}
{{- end -}}
{{- if $secrets.temporalApiKey.name -}}
{{- include "c2d.secretFile" (dict "secret" $secrets.temporalApiKey "path" "temporal-api-key") -}}
{{- end -}}
{{- with .Values.temporal.certificates -}}
{{- if and .name .authority -}}
{{- include "c2d.secretFile" (dict "secret" (dict "name" .name "key" "ca.crt") "path" "temporal-authority") -}}
{{- end -}}
{{- if and .name .client -}}
{{- include "c2d.secretFile" (dict "secret" (dict "name" .name "key" "tls.crt") "path" "temporal-certificate") -}}
{{- include "c2d.secretFile" (dict "secret" (dict "name" .name "key" "tls.key") "path" "temporal-key") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* One process. Takes root, component, program, nodeOptions, env and ports as YAML texts, storage as a flag. */ -}}
{{- define "c2d.deployment" -}}
{{- $root := .root -}}
{{- $values := index $root.Values .component -}}
{{- $name := printf "%s-%s" (include "c2d.fullname" $root) .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "c2d.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  # one more before one less: a release that does not get ready leaves the old one serving
  strategy: { type: RollingUpdate, rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  selector:
    matchLabels:
      {{- include "c2d.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "c2d.labels" . | nindent 8 }}
      annotations:
        # processes read their configuration once
        checksum/config: {{ printf "%s%s%s" (toJson $root.Values.environments) (toJson $root.Values.chains) (toJson $root.Values.storage) | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: {{ eq .component "orchestrator" }}
      enableServiceLinks: false
      # a process takes up to a minute to finish what it has begun, after the pause of preStop
      terminationGracePeriodSeconds: 75
      securityContext:
        runAsNonRoot: true
        runAsUser: 64240
        runAsGroup: 64240
        fsGroup: 64240
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: { type: RuntimeDefault }
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "c2d.selectorLabels" $ | nindent 14 }}
        {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "c2d.image" (dict "root" $root "image" $root.Values.image) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [{{ with .nodeOptions }}{{ . }}, {{ end }}{{ .program }}]
          env:
            {{- include "c2d.commonEnv" $root | nindent 12 }}
            {{- if .storage }}
            {{- include "c2d.storageEnv" $root | trim | nindent 12 }}
            {{- end }}
            {{- .env | nindent 12 }}
          ports:
            - { name: health, containerPort: 9090 }
            {{- with .ports }}
            {{- . | nindent 12 }}
            {{- end }}
          # It counts as started once every dependency has answered: a release with a wrong address goes nowhere.
          startupProbe:
            httpGet: { path: /health/ready, port: health }
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 300
          # From then on a dependency that is away must not take all replicas out of service at once: they say 503
          # with a reason themselves, and go on by themselves.
          readinessProbe:
            httpGet: { path: /health/live, port: health }
            periodSeconds: 5
            timeoutSeconds: 5
          livenessProbe:
            httpGet: { path: /health/live, port: health }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          # new connections go elsewhere before it stops taking them
          lifecycle: { preStop: { sleep: { seconds: 5 } } }
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          volumeMounts:
            - { name: config, mountPath: /etc/durable-c2d/config, readOnly: true }
            - { name: secrets, mountPath: /etc/durable-c2d/secrets, readOnly: true }
            - { name: tmp, mountPath: /tmp }
            {{- if and .storage $root.Values.storage.existingClaim }}
            - { name: results, mountPath: /var/lib/durable-c2d }
            {{- end }}
      volumes:
        - name: config
          configMap: { name: {{ include "c2d.fullname" $root }}-config }
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              {{- include "c2d.secretFiles" $root | nindent 14 }}
              {{- if and (eq .component "orchestrator") $root.Values.secrets.notifyStartUrl.name }}
              {{- include "c2d.secretFile" (dict "secret" $root.Values.secrets.notifyStartUrl "path" "notify-start-url") | nindent 14 }}
              {{- end }}
              {{- if and (eq .component "orchestrator") $root.Values.secrets.notifyStopUrl.name }}
              {{- include "c2d.secretFile" (dict "secret" $root.Values.secrets.notifyStopUrl "path" "notify-stop-url") | nindent 14 }}
              {{- end }}
              {{- if and .storage $root.Values.secrets.stores.name }}
              {{- include "c2d.secretFile" (dict "secret" $root.Values.secrets.stores "path" "stores.json") | nindent 14 }}
              {{- end }}
        - name: tmp
          emptyDir: { sizeLimit: 64Mi }
        {{- if and .storage $root.Values.storage.existingClaim }}
        - name: results
          persistentVolumeClaim: { claimName: {{ $root.Values.storage.existingClaim }} }
        {{- end }}
{{- if $values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "c2d.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  # a pod that never got ready must not keep a node from being drained
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "c2d.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}
