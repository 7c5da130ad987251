// A schema of OpenAPI in words for people, and examples made of it.

export class Schema {
  /** `known`: values of this service by the name of a field, where the schema's own would not work. */
  constructor(document, known = {}) {
    this.document = document;
    this.known = known;
    this.shared = this.sharedExamples();
  }

  /** One example serves all fields of the same name. */
  sharedExamples() {
    const found = {};
    for (const schema of Object.values(this.document.components?.schemas ?? {})) {
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        if (property.examples?.length) found[name] ??= property.examples[0];
      }
    }
    return found;
  }

  /** Behind references, and without the null that only says that a field may be left out. */
  resolved(schema) {
    if (schema.$ref) return this.resolved(this.at(schema.$ref));
    const choices = (schema.anyOf ?? []).filter((one) => one.type !== "null");
    return choices.length === 1 ? { ...this.resolved(choices[0]), ...without(schema, "anyOf") } : schema;
  }

  at(reference) {
    const parts = reference.replace(/^#\//, "").split("/");
    return parts.reduce((value, part) => value[part], this.document);
  }

  mayBeNull(schema) {
    return (schema.anyOf ?? []).some((one) => one.type === "null");
  }

  /** Rows of a table: a field and, behind a point, the fields of what it holds. */
  fields(schema, before = "") {
    const { properties = {}, required = [] } = this.resolved(schema);
    return Object.entries(properties).flatMap(([name, property]) => {
      const row = this.field(before + name, property, required.includes(name));
      return [row, ...this.fields(property, `${before}${name}.`)];
    });
  }

  field(name, property, isRequired) {
    const schema = this.resolved(property);
    return {
      name,
      type: this.typeWords(schema) + (this.mayBeNull(property) ? ", or null" : ""),
      bounds: boundWords(schema),
      standard: defaultWords(property, isRequired),
      about: property.description ?? schema.description ?? "",
    };
  }

  typeWords(schema) {
    if (schema.enum) return `one of ${schema.enum.join(", ")}`;
    if (schema.type === "array") return `list of ${this.typeWords(this.resolved(schema.items ?? {}))}`;
    return schema.type ?? "any";
  }

  /** A body with what has to be there, and no more. */
  body(schema) {
    const { properties = {}, required = [] } = this.resolved(schema);
    return Object.fromEntries(required.map((name) => [name, this.example(name, properties[name])]));
  }

  example(name, property) {
    const schema = this.resolved(property);
    const given = this.known[name] ?? schema.examples?.[0] ?? this.shared[name] ?? schema.default ?? schema.enum?.[0];
    if (given !== undefined) return given;
    if (schema.type === "object") return this.body(schema);
    return schema.minimum ?? name.toUpperCase();
  }
}

function without(value, key) {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

function defaultWords(property, isRequired) {
  if (isRequired) return "required";
  return property.default === undefined ? "null" : JSON.stringify(property.default);
}

function span(low, high, unit) {
  if (low !== undefined && high !== undefined) return `${low} to ${high}${unit}`;
  if (low !== undefined) return `at least ${low}${unit}`;
  return high === undefined ? null : `at most ${high}${unit}`;
}

function boundWords(schema) {
  const words = [
    span(schema.minimum, schema.maximum, ""),
    span(schema.minLength, schema.maxLength, " characters"),
    span(schema.minItems, schema.maxItems, " items"),
    schema.multipleOf ? `multiple of ${schema.multipleOf}` : null,
    schema.pattern ?? null,
  ];
  return words.filter(Boolean).join(", ");
}
