/** Pieces of a JSON schema: every object refuses keys that it does not name, every key says what it is. */

/** A schema as JSON. */
export type Schema = Readonly<Record<string, unknown>>;

export const object = (description: string, properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  type: 'object',
  description,
  additionalProperties: false,
  properties,
  ...(required.length > 0 && { required }),
});

export const text = (description: string, rules: Schema = {}): Schema => ({ type: 'string', description, ...rules });
export const flag = (description: string): Schema => ({ type: 'boolean', description });
export const whole = (description: string, minimum: number, maximum?: number): Schema => ({
  type: 'integer',
  description,
  minimum,
  ...(maximum !== undefined && { maximum }),
});
export const list = (description: string, items: Schema): Schema => ({ type: 'array', description, items });
/** Keys of the operator's choice with texts as values. */
export const texts = (description: string): Schema => ({ type: 'object', description, additionalProperties: { type: 'string' } });
export const oneOf = (description: string, ...values: readonly string[]): Schema => ({ type: 'string', description, enum: values });

/** The name of an object of a cluster, or nothing. */
export const objectName = (description: string): Schema => text(description, { pattern: '^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$' });

/** The name of an object of a cluster. */
export const requiredName = (description: string): Schema => text(description, { pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$' });

const quantity: Schema = { type: ['string', 'number'], pattern: '^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?$' };

/** Amounts by the cluster's name of what they are of. */
export const quantities = (description: string): Schema => ({ type: 'object', description, additionalProperties: quantity });

export const containerResources = object('What the cluster sets aside for one replica, and the most that it may use.', {
  requests: quantities('what is set aside'),
  limits: quantities('the most that it may use'),
});

export const tolerations = list(
  'Taints of nodes that are no obstacle.',
  object('As a pod has it.', {
    key: text('name of the taint'),
    operator: oneOf('how value is compared', 'Exists', 'Equal'),
    value: text('value of the taint'),
    effect: oneOf('effect of the taint', 'NoSchedule', 'PreferNoSchedule', 'NoExecute'),
    tolerationSeconds: whole('for NoExecute: how long', 0),
  }),
);

const selector = object('Which ones, by their labels; nothing in it chooses all.', {
  matchLabels: texts('labels that they must have'),
  matchExpressions: list(
    'rules about labels',
    object(
      'One rule.',
      {
        key: text('name of the label'),
        operator: oneOf('what must hold', 'In', 'NotIn', 'Exists', 'DoesNotExist'),
        values: list('for In and NotIn', { type: 'string' }),
      },
      ['key', 'operator'],
    ),
  ),
});

const peer = object('One kind of peer, as a NetworkPolicy has it.', {
  ipBlock: object(
    'A network.',
    { cidr: text('such as 10.0.0.0/8'), except: list('networks inside it that are left out', { type: 'string' }) },
    ['cidr'],
  ),
  namespaceSelector: selector,
  podSelector: selector,
});

export const peers = (description: string): Schema => list(description, peer);

export const egressRules = (description: string): Schema =>
  list(
    description,
    object('One rule: all of `to` on all of `ports`; what is absent means all.', {
      to: peers('where to'),
      ports: list(
        'which ports',
        object('One port.', {
          protocol: oneOf('TCP, UDP or SCTP', 'TCP', 'UDP', 'SCTP'),
          port: { type: ['integer', 'string'], description: 'number or name' },
          endPort: whole('last one of a range', 1, 65_535),
        }),
      ),
    }),
  );
