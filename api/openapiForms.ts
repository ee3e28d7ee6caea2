/** A form in which the generator writes some schemas, and what OpenAPI 3.1 takes it for. */

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

const isReference = (value: unknown): boolean => isRecord(value) && typeof value['$ref'] === 'string';

const isNullable = (value: unknown): boolean => isRecord(value) && Array.isArray(value['type']) && value['type'].includes('null');

/** both at once can never be null */
const allowNull = ({ allOf, ...rest }: Json): Json => {
  if (!Array.isArray(allOf) || allOf.length !== 2) return { allOf, ...rest };
  const [reference, nullable] = allOf as readonly unknown[];
  const isBoth = isReference(reference) && isNullable(nullable) && isRecord(nullable) && Object.keys(nullable).length === 1;
  return isBoth ? { anyOf: [reference, { type: 'null' }], ...rest } : { allOf, ...rest };
};

/** The same description with every nullable reference as a choice: as generated it is both at once, and refuses null. */
export const correctForms = <Part>(part: Part): Part => {
  if (Array.isArray(part)) return part.map((each: unknown) => correctForms(each)) as Part;
  if (!isRecord(part)) return part;
  const entries = Object.entries('allOf' in part ? allowNull(part) : part).map(([name, value]) => [name, correctForms(value)] as const);
  return Object.fromEntries(entries) as Part;
};
