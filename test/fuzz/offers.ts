/** A description that means the same and names things that exist, so that a fuzzer gets past the first look-up. */

type Values = Readonly<Record<string, readonly unknown[]>>;

/** What an API has, for the fuzzer to ask for. */
export interface Offers {
  /** by name of a parameter or field, wherever it is */
  readonly values: Values;
  /** by `GET /path`, then by parameter: the only values, where several must fit each other to be good for anything */
  readonly only?: Readonly<Record<string, Values>>;
  /** whole bodies, by `POST /path` */
  readonly bodies: Readonly<Record<string, readonly object[]>>;
}

interface Schema {
  readonly [keyword: string]: unknown;
}

interface Parameter {
  readonly name: string;
  readonly schema: Schema;
}

interface Answer {
  readonly content?: Readonly<Record<string, object>>;
}

interface Operation {
  readonly responses: Readonly<Record<string, Answer>>;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

/** The parts of an OpenAPI document that are looked at. */
export interface Description {
  readonly paths?: Readonly<Record<string, object>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, object>> };
}

const mapValues = <From, To>(record: Readonly<Record<string, From>>, map: (value: From, name: string) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);

const own = <Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

/** The choice is between what excludes each other: a part of something larger would never be chosen. */
const orOneOf = (schema: Schema, values: readonly unknown[] | undefined): Schema =>
  values === undefined || values.length === 0 ? schema : { anyOf: [{ allOf: [schema, { not: { enum: values } }] }, { enum: values }] };

/** schemas of requests have names of their own: those of answers must stay as strict as they are */
const offeredName = (reference: string): string => `${reference}Offered`;

const offerInside = (schema: Schema, offers: Offers): Schema =>
  mapValues(schema, (value, keyword): unknown => {
    if (keyword === '$ref') return offeredName(String(value));
    if (keyword === 'properties' && isSchema(value))
      return mapValues(value, (property, name) => (isSchema(property) ? offerField(property, name, offers) : property));
    if (keyword === 'items' && isSchema(value)) return offerInside(value, offers);
    if (['anyOf', 'oneOf', 'allOf'].includes(keyword) && Array.isArray(value))
      return value.map((each: unknown) => (isSchema(each) ? offerInside(each, offers) : each));
    return value;
  });

const offerField = (schema: Schema, name: string, offers: Offers): Schema => orOneOf(offerInside(schema, offers), own(offers.values, name));

/** A body like one that is good: its fields are as they are there, and all others are still free. */
const likeBody = (schema: Schema, body: Schema): Schema => ({
  ...schema,
  properties: { ...(schema['properties'] as Schema | undefined), ...mapValues(body, (value) => ({ enum: [value] })) },
  required: Object.keys(body),
});

const offerBody = (body: NonNullable<Operation['requestBody']>, call: string, { offers, schemas }: Context): unknown => ({
  ...body,
  content: mapValues(body.content, ({ schema: asked, ...media }) => {
    const name = /^#\/components\/schemas\/(.+)$/.exec(String(asked['$ref']))?.[1];
    const schema = offerInside(asked, offers);
    const whole = name === undefined ? schema : offerInside((own(schemas, name) ?? {}) as Schema, offers);
    const known = own(offers.bodies, call) ?? [];
    return { ...media, schema: known.length === 0 ? schema : { anyOf: [schema, ...known.map((each) => likeBody(whole, each as Schema))] } };
  }),
});

/** of a stream of events 3.1 describes the text; Schemathesis takes that for each event */
const withoutEventSchemas = (answer: Answer): Answer =>
  answer.content === undefined
    ? answer
    : { ...answer, content: mapValues(answer.content, (media, type) => (type === 'text/event-stream' ? {} : media)) };

interface Context {
  readonly offers: Offers;
  readonly schemas: Readonly<Record<string, object>>;
}

const offerParameter = ({ name, schema }: Parameter, call: string, { values, only = {} }: Offers): Schema => {
  const known = own(own(only, call) ?? {}, name);
  return known === undefined ? orOneOf(schema, own(values, name)) : { enum: known };
};

const offerToCall = (operation: Operation, call: string, context: Context): unknown => ({
  ...operation,
  responses: mapValues(operation.responses, withoutEventSchemas),
  ...(operation.parameters && {
    parameters: operation.parameters.map((parameter) => ({ ...parameter, schema: offerParameter(parameter, call, context.offers) })),
  }),
  ...(operation.requestBody && { requestBody: offerBody(operation.requestBody, call, context) }),
});

/** The description with every offer as one more possibility; what answers may be stays as it is. */
export const offerThings = (document: Description, offers: Offers): unknown => {
  const schemas = document.components?.schemas ?? {};
  const offered = Object.entries(schemas).map(([name, schema]) => [offeredName(name), offerInside(schema as Schema, offers)]);
  return {
    ...document,
    paths: mapValues(document.paths ?? {}, (item, path) =>
      mapValues(item as Readonly<Record<string, Operation>>, (operation, method) =>
        offerToCall(operation, `${method.toUpperCase()} ${path}`, { offers, schemas }),
      ),
    ),
    components: { ...document.components, schemas: { ...schemas, ...Object.fromEntries(offered) } },
  };
};
