// Paints a film's levels through a window on a canvas: WebGL 2, or plainly where there is none.

const VERTICES = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

// One sample between four levels where the film is enlarged, the mean of several where it is reduced.
const FRAGMENTS = `#version 300 es
precision highp float;
precision highp usampler2D;
uniform usampler2D film;
uniform vec2 size, start, across, down, span;
uniform float height;
uniform int taps;
out vec4 colour;

float level(ivec2 at) {
  return float(texelFetch(film, clamp(at, ivec2(0), ivec2(size) - 1), 0).r);
}

float between(vec2 at) {
  vec2 corner = at - 0.5, part = fract(corner);
  ivec2 first = ivec2(floor(corner));
  float top = mix(level(first), level(first + ivec2(1, 0)), part.x);
  return mix(top, mix(level(first + ivec2(0, 1)), level(first + ivec2(1)), part.x), part.y);
}

void main() {
  vec2 here = vec2(gl_FragCoord.x, height - gl_FragCoord.y);
  vec2 at = start + here.x * across + here.y * down;
  if (any(lessThan(at, vec2(0))) || any(greaterThan(at, size))) {
    colour = vec4(0);
    return;
  }
  float sum = 0.0;
  if (taps == 1) sum = between(at);
  else for (int i = 0; i < taps * taps; i++) {
    vec2 part = (vec2(i % taps, i / taps) + 0.5) / float(taps) - 0.5;
    sum += level(ivec2(at + part.x * across + part.y * down)) / float(taps * taps);
  }
  colour = vec4(vec3(clamp((sum - span.x) / (span.y - span.x), 0.0, 1.0)), 1);
}`;

const MOST_TAPS = 4;

// paint({start, across, down}, [low, high]): where the canvas' first pixel lies on the film, and how far
// one step across and one down lead there, in film pixels.
export function makePainter(canvas, film) {
  // Computed by the processor, WebGL is slower than the plain loop: then there had better be none.
  const gl = canvas.getContext("webgl2", { antialias: false, failIfMajorPerformanceCaveat: true });
  const isTooLarge = gl && Math.max(film.width, film.height) > gl.getParameter(gl.MAX_TEXTURE_SIZE);
  return gl && !isTooLarge ? paintWithGl(canvas, gl, film) : paintPlainly(canvas, film);
}

function paintWithGl(canvas, gl, film) {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTICES],
    [gl.FRAGMENT_SHADER, FRAGMENTS],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
  const { width, height, levels } = film;
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16UI, width, height);
  gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RED_INTEGER, gl.UNSIGNED_SHORT, levels);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const at = (name) => gl.getUniformLocation(program, name);
  const places = Object.fromEntries(["start", "across", "down", "span"].map((name) => [name, at(name)]));
  gl.uniform2f(at("size"), width, height);
  return ({ start, across, down }, span) => {
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.uniform1f(at("height"), canvas.height);
    for (const [name, [x, y]] of Object.entries({ start, across, down, span })) {
      gl.uniform2f(places[name], x, y);
    }
    gl.uniform1i(at("taps"), Math.min(MOST_TAPS, Math.max(1, Math.round(Math.hypot(...across)))));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
}

function paintPlainly(canvas, film) {
  const context = canvas.getContext("2d");
  return ({ start, across, down }, [low, high]) => {
    const picture = context.createImageData(canvas.width, canvas.height);
    const out = new Uint32Array(picture.data.buffer);
    for (let y = 0, i = 0; y < canvas.height; y++) {
      let fx = start[0] + y * down[0];
      let fy = start[1] + y * down[1];
      for (let x = 0; x < canvas.width; x++, i++, fx += across[0], fy += across[1]) {
        if (fx < 0 || fy < 0 || fx >= film.width || fy >= film.height) continue;
        const level = film.levels[Math.floor(fy) * film.width + Math.floor(fx)];
        const grey = Math.min(255, Math.max(0, Math.round((255 * (level - low)) / (high - low))));
        out[i] = 0xff000000 | (grey * 0x010101); // little-endian, as every browser's machine
      }
    }
    context.putImageData(picture, 0, 0);
  };
}
