// Decimal numbers for amounts, prices and quantities: a BigInt of smallest digits and how many of them stand after the point.
// Nothing here ever goes through a floating-point number.

const FORM = /^([+-]?)(\d{1,40})(?:\.(\d{0,40}))?$/;

const ten = (n) => 10n ** BigInt(n);

export class Dec {
  /** units * 10^-scale */
  constructor(units, scale = 0) {
    this.units = units;
    this.scale = scale;
    Object.freeze(this);
  }

  /** The number a text says, or null if it says none. */
  static parse(text) {
    const found = typeof text === "string" ? FORM.exec(text) : null;
    if (!found) return null;
    const fraction = found[3] ?? "";
    const units = BigInt(found[2] + fraction);
    return new Dec(found[1] === "-" ? -units : units, fraction.length);
  }

  /** The number of a text that is known to be one. */
  static of(text) {
    const value = Dec.parse(String(text));
    if (!value) throw new RangeError(`not a decimal: ${text}`);
    return value;
  }

  /** What a person typed: spaces and grouping commas are left out, a leading point is a zero and a point. */
  static typed(text) {
    const plain = String(text).replace(/[\s,_]/g, "").replace(/^\./, "0.");
    return plain.startsWith("+") ? null : Dec.parse(plain);
  }

  rescale(scale) {
    if (scale < this.scale) throw new RangeError("a scale only grows");
    return this.units * ten(scale - this.scale);
  }

  with(other, operation) {
    const scale = Math.max(this.scale, other.scale);
    return new Dec(operation(this.rescale(scale), other.rescale(scale)), scale);
  }

  add(other) {
    return this.with(other, (a, b) => a + b);
  }

  sub(other) {
    return this.with(other, (a, b) => a - b);
  }

  mul(other) {
    return new Dec(this.units * other.units, this.scale + other.scale);
  }

  neg() {
    return new Dec(-this.units, this.scale);
  }

  abs() {
    return this.units < 0n ? this.neg() : this;
  }

  cmp(other) {
    const scale = Math.max(this.scale, other.scale);
    const [a, b] = [this.rescale(scale), other.rescale(scale)];
    return a < b ? -1 : a > b ? 1 : 0;
  }

  lt(other) {
    return this.cmp(other) < 0;
  }

  gt(other) {
    return this.cmp(other) > 0;
  }

  get isZero() {
    return this.units === 0n;
  }

  get sign() {
    return this.units < 0n ? -1 : this.units > 0n ? 1 : 0;
  }

  /** How many whole times `step` goes into this, rounded towards zero. */
  countOf(step) {
    if (step.isZero) throw new RangeError("a step is not zero");
    const scale = Math.max(this.scale, step.scale);
    return this.rescale(scale) / step.rescale(scale);
  }

  isMultipleOf(step) {
    const scale = Math.max(this.scale, step.scale);
    return this.rescale(scale) % step.rescale(scale) === 0n;
  }

  /** The multiple of `step` next to this, towards zero. */
  truncTo(step) {
    return new Dec(this.countOf(step) * step.units, step.scale);
  }

  /** The multiple of `step` next to this, away from zero. */
  awayTo(step) {
    const down = this.truncTo(step);
    if (down.cmp(this) === 0) return down;
    return this.sign < 0 ? down.sub(step) : down.add(step);
  }

  /** This divided by `other` with `scale` digits, rounded towards zero. */
  div(other, scale) {
    if (other.isZero) throw new RangeError("division by zero");
    const units = (this.units * ten(scale + other.scale)) / (other.units * ten(this.scale));
    return new Dec(units, scale);
  }

  /** `rate` parts per million of this, with `scale` digits, rounded towards zero, as fees are. */
  ppm(rate, scale) {
    return this.mul(new Dec(BigInt(rate), 6)).truncate(scale);
  }

  truncate(scale) {
    if (scale >= this.scale) return this;
    return new Dec(this.units / ten(this.scale - scale), scale);
  }

  static min(a, b) {
    return a.cmp(b) <= 0 ? a : b;
  }

  static max(a, b) {
    return a.cmp(b) >= 0 ? a : b;
  }

  /** With exactly `digits` after the point; digits that do not fit are left out. */
  fixed(digits) {
    const units = digits >= this.scale ? this.rescale(digits) : this.truncate(digits).units;
    const text = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
    const whole = text.slice(0, text.length - digits);
    const sign = units < 0n ? "-" : "";
    return digits === 0 ? sign + whole : `${sign}${whole}.${text.slice(-digits)}`;
  }

  /** The shortest text that says the number. */
  toString() {
    const text = this.fixed(this.scale);
    return this.scale === 0 ? text : text.replace(/\.?0+$/, "") || "0";
  }

  /** Only for pixels: how long a bar is. Never for money. */
  toPixels() {
    return Number(this.toString());
  }
}

export const ZERO = new Dec(0n, 0);

/** "1234567.5" -> "1,234,567.5" */
export function group(text) {
  const [whole, fraction] = String(text).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}
