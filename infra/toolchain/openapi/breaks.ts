/** What in one OpenAPI description breaks clients of another. Pure. */

type Json = Readonly<Record<string, unknown>>;

/** Both descriptions, and which way the compared value travels. */
interface Comparison {
  readonly before: Json;
  readonly after: Json;
  /** a request must be taken as before; an answer must be no more than before */
  readonly way: 'request' | 'answer';
  /** pairs of references that are being compared: descriptions may be recursive */
  readonly open: ReadonlySet<string>;
}

const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const wordOf = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise);
const namesOf = (value: unknown): ReadonlySet<string> => new Set(listOf(value).map(String));

const resolve = (document: Json, schema: unknown): Json => {
  const { $ref: reference } = objectOf(schema);
  if (typeof reference !== 'string') return objectOf(schema);
  const found = reference
    .split('/')
    .slice(1)
    .reduce<unknown>((part, name) => objectOf(part)[name], document);
  return resolve(document, found);
};

/** A schema as the list of what it allows. */
const alternativesOf = (document: Json, schema: unknown): readonly Json[] => {
  const resolved = resolve(document, schema);
  const choices = [...listOf(resolved['anyOf']), ...listOf(resolved['oneOf'])];
  if (choices.length > 0) return choices.flatMap((choice) => alternativesOf(document, choice));
  if (Array.isArray(resolved['type'])) return listOf(resolved['type']).map((type) => ({ ...resolved, type }));
  return [resolved];
};

/** The larger set must hold the smaller: requests of before in what is taken now, answers of now in what was told before. */
const compareSets = (
  { way }: Comparison,
  [before, after]: readonly [readonly unknown[], readonly unknown[]],
  at: string,
): readonly string[] => {
  const [some, all] = way === 'request' ? [before, after] : [after, before];
  const says = way === 'request' ? 'is no longer taken' : 'is new in an answer';
  if (all.length === 0) return [];
  return some.length === 0
    ? [`${at}: only certain values are ${way === 'request' ? 'taken now' : 'told before'}`]
    : some.filter((value) => !all.includes(value)).map((value) => `${at}: ${JSON.stringify(value)} ${says}`);
};

const lowerBounds = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'];
const upperBounds = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'];

const compareLimits = ({ way }: Comparison, before: Json, after: Json, at: string): readonly string[] => {
  if (way === 'answer') return [];
  const tighter = (key: string, sign: number): boolean => {
    const [had, has] = [before[key], after[key]];
    return typeof has === 'number' && (typeof had !== 'number' || (has - had) * sign > 0);
  };
  const bounds = [...lowerBounds.filter((key) => tighter(key, 1)), ...upperBounds.filter((key) => tighter(key, -1))];
  const pattern = after['pattern'] !== undefined && after['pattern'] !== before['pattern'] ? ['pattern'] : [];
  return [...bounds, ...pattern].map((key) => `${at}: ${key} is stricter`);
};

const compareObjects = (comparison: Comparison, before: Json, after: Json, at: string): readonly string[] => {
  const [had, has] = [objectOf(before['properties']), objectOf(after['properties'])];
  const [needed, needs] = [namesOf(before['required']), namesOf(after['required'])];
  const gone = Object.keys(had).filter((name) => !(name in has));
  const demanded = comparison.way === 'request' ? [...needs].filter((name) => !needed.has(name)) : [];
  const unsure = comparison.way === 'answer' ? [...needed].filter((name) => name in has && !needs.has(name)) : [];
  return [
    ...gone.map((name) => `${at}.${name}: is gone`),
    ...demanded.map((name) => `${at}.${name}: is required now`),
    ...unsure.map((name) => `${at}.${name}: may be missing now`),
    ...Object.keys(had)
      .filter((name) => name in has)
      .flatMap((name) => compareSchemas(comparison, [had[name], has[name]], `${at}.${name}`)),
  ];
};

const compareAlternative = (comparison: Comparison, before: Json, after: Json, at: string): readonly string[] => {
  const [had, has] = [before['type'], after['type']];
  const [narrow, wide] = comparison.way === 'request' ? [had, has] : [has, had];
  if (wide !== undefined && narrow !== wide && !(narrow === 'integer' && wide === 'number'))
    return [`${at}: was ${wordOf(had, 'anything')}, is ${wordOf(has, 'anything')}`];
  const constants = (schema: Json): readonly unknown[] => ('const' in schema ? [schema['const']] : listOf(schema['enum']));
  return [
    ...compareSets(comparison, [constants(before), constants(after)], at),
    ...compareLimits(comparison, before, after, at),
    ...compareObjects(comparison, before, after, at),
    ...(before['items'] !== undefined && after['items'] !== undefined
      ? compareSchemas(comparison, [before['items'], after['items']], `${at}[]`)
      : []),
  ];
};

/** @returns what breaks, one line each, with the place first */
const compareSchemas = (comparison: Comparison, [before, after]: readonly [unknown, unknown], at: string): readonly string[] => {
  const pair = `${String(objectOf(before)['$ref'])} ${String(objectOf(after)['$ref'])}`;
  if (objectOf(before)['$ref'] !== undefined && comparison.open.has(pair)) return [];
  const inner = { ...comparison, open: new Set([...comparison.open, pair]) };
  const [had, has] = [alternativesOf(comparison.before, before), alternativesOf(comparison.after, after)];
  const [only, now] = [had[0], has[0]];
  if (had.length === 1 && has.length === 1 && only !== undefined && now !== undefined) return compareAlternative(inner, only, now, at);
  const [some, all] = comparison.way === 'request' ? [had, has] : [has, had];
  const fits = (one: Json): boolean =>
    all.some(
      (other) =>
        compareAlternative(inner, ...(comparison.way === 'request' ? ([one, other] as const) : ([other, one] as const)), at).length === 0,
    );
  return some
    .filter((one) => !fits(one))
    .map(
      (one) =>
        `${at}: ${wordOf(one['type'], 'a form')} ${comparison.way === 'request' ? 'of before is no longer taken' : 'is new in an answer'}`,
    );
};

const compareContent = (comparison: Comparison, [before, after]: readonly [unknown, unknown], at: string): readonly string[] => {
  const [had, has] = [objectOf(objectOf(before)['content']), objectOf(objectOf(after)['content'])];
  return Object.entries(had).flatMap(([type, content]) =>
    type in has
      ? compareSchemas(comparison, [objectOf(content)['schema'], objectOf(has[type])['schema']], `${at} ${type}`)
      : [`${at} ${type}: is gone`],
  );
};

const compareParameters = (comparison: Comparison, before: Json, after: Json, at: string): readonly string[] => {
  const nameOf = (parameter: Json): string => `${String(parameter['in'])} parameter ${String(parameter['name'])}`;
  const listed = (document: Json, operation: Json): readonly Json[] =>
    listOf(operation['parameters']).map((parameter) => resolve(document, parameter));
  const [had, has] = [listed(comparison.before, before), listed(comparison.after, after)];
  const beforeOf = (parameter: Json): Json | undefined => had.find((one) => nameOf(one) === nameOf(parameter));
  return [
    ...had.filter((one) => !has.some((other) => nameOf(other) === nameOf(one))).map((one) => `${at} ${nameOf(one)}: is gone`),
    ...has
      .filter((one) => one['required'] === true && beforeOf(one)?.['required'] !== true)
      .map((one) => `${at} ${nameOf(one)}: is required now`),
    ...has.flatMap((one) => {
      const old = beforeOf(one);
      return old === undefined ? [] : compareSchemas(comparison, [old['schema'], one['schema']], `${at} ${nameOf(one)}`);
    }),
  ];
};

const compareOperations = (documents: readonly [Json, Json], [had, has]: readonly [Json, Json], at: string): readonly string[] => {
  const [before, after] = documents;
  const request: Comparison = { before, after, way: 'request', open: new Set() };
  const answer: Comparison = { ...request, way: 'answer' };
  const [body, newBody] = [objectOf(had['requestBody']), objectOf(has['requestBody'])];
  const [answers, newAnswers] = [objectOf(had['responses']), objectOf(has['responses'])];
  return [
    ...compareParameters(request, had, has, at),
    ...(newBody['required'] === true && body['required'] !== true ? [`${at} body: is required now`] : []),
    ...compareContent(request, [body, newBody], `${at} body`),
    ...Object.keys(answers)
      .filter((status) => status.startsWith('2'))
      .flatMap((status) =>
        status in newAnswers
          ? compareContent(answer, [resolve(before, answers[status]), resolve(after, newAnswers[status])], `${at} ${status}`)
          : [`${at} ${status}: is gone`],
      ),
  ];
};

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'];

/**
 * Compares two OpenAPI 3.1 descriptions of one API.
 * @returns what a client of `before` may meet with `after` that it does not know or is refused for, one line each;
 *   additions that a client may ignore are none
 */
export const findBreaks = (before: Json, after: Json): readonly string[] =>
  Object.entries(objectOf(before['paths'])).flatMap(([path, operations]) => {
    const now = objectOf(objectOf(after['paths'])[path]);
    return methods
      .filter((method) => method in objectOf(operations))
      .flatMap((method) => {
        const at = `${method.toUpperCase()} ${path}`;
        if (!(method in now)) return [`${at}: is gone`];
        return compareOperations([before, after], [objectOf(objectOf(operations)[method]), objectOf(now[method])], at);
      });
  });
