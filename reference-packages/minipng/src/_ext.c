/* What minipng asks of libpng and zlib.

   Every call takes its arguments, codes without the GIL, and makes its result. All that it knows
   is in a struct on the stack of that call, so calls may run in several threads at once. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

/* In our words, because a libpng may have been built with other limits, or with none. The first is
   below libpng's usual one, so that a test can tell whose holds. */
#define LONGEST_SIDE 500000
#define LARGEST_CHUNK 8000000
#define MOST_CHUNKS 1000

/* Below this, giving up the GIL costs more than the sum. */
#define WORTH_RELEASING 16384

typedef struct {
  PyObject *png_error;
} State;

/* What reading and writing have in common. `jump` is ours and not libpng's: our own handler jumps,
   so the size of a jmp_buf is no business between two binaries. */
typedef struct {
  jmp_buf jump;
  png_structp png;
  png_infop info;
  int is_out_of_memory;
  char message[256];
} Coder;

typedef struct {
  Coder coder;
  const unsigned char *file;
  size_t file_left;
  unsigned long width;
  unsigned long height;
  int channels;
  int bit_depth;
  size_t row_size;
  unsigned char *pixels;
} Decoder;

typedef struct {
  Coder coder;
  unsigned long width;
  unsigned long height;
  int channels;
  int bit_depth;
  int compression;
  size_t row_size;
  const unsigned char *pixels;
  unsigned char *file;
  size_t file_size;
  size_t file_capacity;
} Encoder;

/* What libpng calls. -------------------------------------------------------------------------- */

static void PNGCBAPI on_error(png_structp png, png_const_charp message) {
  Coder *coder = (Coder *)png_get_error_ptr(png);
  snprintf(coder->message, sizeof coder->message, "%s", message ? message : "no reason given");
  longjmp(coder->jump, 1);
}

/* Kept, not printed: a libpng that does not fit its headers warns, and then makes no struct. */
static void PNGCBAPI on_warning(png_structp png, png_const_charp message) {
  Coder *coder = (Coder *)png_get_error_ptr(png);
  if (coder && message) snprintf(coder->message, sizeof coder->message, "%s", message);
}

static png_voidp PNGCBAPI allocate(png_structp png, png_alloc_size_t size) {
  void *memory = malloc((size_t)size);
  if (!memory) ((Coder *)png_get_mem_ptr(png))->is_out_of_memory = 1;
  return memory;
}

static void PNGCBAPI release(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

static void PNGCBAPI read_file(png_structp png, png_bytep to, size_t size) {
  Decoder *decoder = (Decoder *)png_get_io_ptr(png);
  if (size > decoder->file_left) png_error(png, "the file ends too early");
  memcpy(to, decoder->file, size);
  decoder->file += size;
  decoder->file_left -= size;
}

static void PNGCBAPI write_file(png_structp png, png_bytep from, size_t size) {
  Encoder *encoder = (Encoder *)png_get_io_ptr(png);
  const size_t most = PY_SSIZE_T_MAX; /* of a bytes object */
  if (size > encoder->file_capacity - encoder->file_size) {
    size_t capacity = encoder->file_capacity <= most / 2 ? encoder->file_capacity * 2 : most;
    unsigned char *larger = NULL;
    if (size <= most - encoder->file_size) {
      if (capacity < encoder->file_size + size) capacity = encoder->file_size + size;
      larger = (unsigned char *)realloc(encoder->file, capacity);
    }
    if (!larger) {
      encoder->coder.is_out_of_memory = 1;
      png_error(png, "out of memory");
    }
    encoder->file = larger;
    encoder->file_capacity = capacity;
  }
  memcpy(encoder->file + encoder->file_size, from, size);
  encoder->file_size += size;
}

/* Without it libpng would flush what it is given as if it were a FILE. */
static void PNGCBAPI flush_file(png_structp png) { (void)png; }

/* Coding, without the GIL: nothing of Python is called here. ------------------------------------

   Each of these functions is one setjmp, and returns whether it got to its end. What must outlive
   a jump is in the caller's struct, and a jump leaves that alone; it is the locals of the function
   that called setjmp which would have to be volatile, so none of them is used after a jump. */

static int is_little_endian(void) {
  const unsigned short one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return first == 1;
}

static void set_limits(png_structp png) {
  png_set_user_limits(png, LONGEST_SIDE, LONGEST_SIDE);
  png_set_chunk_malloc_max(png, LARGEST_CHUNK);
  png_set_chunk_cache_max(png, MOST_CHUNKS);
}

static int read_header(Decoder *decoder, long long max_bytes) {
  Coder *coder = &decoder->coder;
  png_structp png;
  int color_type;
  unsigned long long size;

  if (setjmp(coder->jump)) return 0;
  coder->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, coder, on_error, on_warning, coder,
                                        allocate, release);
  if (!coder->png) return 0;
  png = coder->png;
  coder->info = png_create_info_struct(png);
  if (!coder->info) return 0;
  png_set_read_fn(png, decoder, read_file);
  set_limits(png);
  /* What tells nothing about the pixels is passed over, and so never inflated. The rest must be
     right: with libpng's leniency a damaged tRNS would be an image without its transparency. */
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(png, 0);
  png_read_info(png, coder->info);

  decoder->width = png_get_image_width(png, coder->info);
  decoder->height = png_get_image_height(png, coder->info);
  color_type = png_get_color_type(png, coder->info);
  decoder->bit_depth = png_get_bit_depth(png, coder->info) == 16 ? 16 : 8;
  decoder->channels = color_type & PNG_COLOR_MASK_COLOR ? 3 : 1; /* a palette has that bit too */
  if (color_type & PNG_COLOR_MASK_ALPHA || png_get_valid(png, coder->info, PNG_INFO_tRNS)) {
    decoder->channels++;
  }
  /* Before libpng is asked to make room for rows, or we for all of them. Cannot overflow: two
     sides of 19 bits each. */
  decoder->row_size =
      (size_t)decoder->width * (size_t)decoder->channels * (size_t)(decoder->bit_depth / 8);
  size = (unsigned long long)decoder->row_size * decoder->height;
  if (max_bytes < 0 || size > (unsigned long long)max_bytes) {
    snprintf(coder->message, sizeof coder->message,
             "%lu x %lu pixels decode to %llu bytes, more than the limit of %lld", decoder->width,
             decoder->height, size, max_bytes);
    return 0;
  }
  return 1;
}

static int read_pixels(Decoder *decoder) {
  Coder *coder = &decoder->coder;
  png_structp png = coder->png;
  unsigned long y;
  int passes;

  if (setjmp(coder->jump)) return 0;
  png_set_expand(png);
  if (decoder->bit_depth == 16 && is_little_endian()) png_set_swap(png);
  passes = png_set_interlace_handling(png);
  png_read_update_info(png, coder->info);
  if (png_get_rowbytes(png, coder->info) != decoder->row_size) {
    png_error(png, "the rows have another size than the header says");
  }
  /* Not png_read_image: it takes a pointer for each row, and a row may be a single byte. */
  for (; passes > 0; passes--) {
    for (y = 0; y < decoder->height; y++) {
      png_read_row(png, decoder->pixels + y * decoder->row_size, NULL);
    }
  }
  png_read_end(png, coder->info);
  return 1;
}

static int write_image(Encoder *encoder) {
  static const int color_types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                    PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  Coder *coder = &encoder->coder;
  png_structp png;
  unsigned long y;

  if (setjmp(coder->jump)) return 0;
  coder->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, coder, on_error, on_warning, coder,
                                         allocate, release);
  if (!coder->png) return 0;
  png = coder->png;
  coder->info = png_create_info_struct(png);
  if (!coder->info) return 0;
  png_set_write_fn(png, encoder, write_file, flush_file);
  set_limits(png);
  png_set_compression_level(png, encoder->compression);
  png_set_IHDR(png, coder->info, (png_uint_32)encoder->width, (png_uint_32)encoder->height,
               encoder->bit_depth, color_types[encoder->channels - 1], PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, coder->info);
  if (encoder->bit_depth == 16 && is_little_endian()) png_set_swap(png);
  for (y = 0; y < encoder->height; y++) {
    png_write_row(png, encoder->pixels + y * encoder->row_size);
  }
  png_write_end(png, NULL);
  return 1;
}

/* What Python calls. -------------------------------------------------------------------------- */

static PyObject *raise_failure(PyObject *module, const Coder *coder) {
  const State *state = (const State *)PyModule_GetState(module);
  if (coder->is_out_of_memory) return PyErr_NoMemory();
  PyErr_SetString(state->png_error, *coder->message ? coder->message : "libpng cannot start");
  return NULL;
}

/* For PyArg_ParseTuple. A number that is too large for C is as wrong as the largest that is not,
   and is to get the same ValueError. */
static int to_number(PyObject *object, void *result) {
  int overflow;
  long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (value == -1 && PyErr_Occurred()) return 0;
  if (overflow) value = overflow < 0 ? LLONG_MIN : LLONG_MAX;
  *(long long *)result = value;
  return 1;
}

static int is_within(const char *name, long long value, long long least, long long most) {
  if (value >= least && value <= most) return 1;
  PyErr_Format(PyExc_ValueError, "%s must be %lld to %lld, not %lld", name, least, most, value);
  return 0;
}

static PyObject *decode_file(PyObject *module, Decoder *decoder, long long max_bytes) {
  PyObject *pixels;
  int is_read;

  Py_BEGIN_ALLOW_THREADS
  is_read = read_header(decoder, max_bytes);
  Py_END_ALLOW_THREADS
  if (!is_read) return raise_failure(module, &decoder->coder);

  pixels = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(decoder->row_size * decoder->height));
  if (!pixels) return NULL;
  /* Nobody else has seen the object yet, so it may still be written to, from here. */
  decoder->pixels = (unsigned char *)PyBytes_AsString(pixels);

  Py_BEGIN_ALLOW_THREADS
  is_read = read_pixels(decoder);
  Py_END_ALLOW_THREADS
  if (!is_read) {
    Py_DECREF(pixels);
    return raise_failure(module, &decoder->coder);
  }
  return Py_BuildValue("(kkiiN)", decoder->width, decoder->height, decoder->channels,
                       decoder->bit_depth, pixels);
}

static PyObject *decode(PyObject *module, PyObject *arguments) {
  Decoder decoder;
  Py_buffer file;
  long long max_bytes;
  PyObject *result;

  if (!PyArg_ParseTuple(arguments, "y*O&:decode", &file, to_number, &max_bytes)) return NULL;
  if (max_bytes > PY_SSIZE_T_MAX) max_bytes = PY_SSIZE_T_MAX;
  memset(&decoder, 0, sizeof decoder);
  decoder.file = (const unsigned char *)file.buf;
  decoder.file_left = (size_t)file.len;
  result = decode_file(module, &decoder, max_bytes);
  png_destroy_read_struct(&decoder.coder.png, &decoder.coder.info, NULL);
  PyBuffer_Release(&file);
  return result;
}

static PyObject *encode_pixels(PyObject *module, Encoder *encoder) {
  int is_written;

  Py_BEGIN_ALLOW_THREADS
  is_written = write_image(encoder);
  Py_END_ALLOW_THREADS
  if (!is_written) return raise_failure(module, &encoder->coder);
  return PyBytes_FromStringAndSize((const char *)encoder->file, (Py_ssize_t)encoder->file_size);
}

static PyObject *encode(PyObject *module, PyObject *arguments) {
  Encoder encoder;
  Py_buffer pixels;
  long long width, height, channels, bit_depth, compression, size;
  PyObject *result = NULL;

  if (!PyArg_ParseTuple(arguments, "O&O&O&O&y*O&:encode", to_number, &width, to_number, &height,
                        to_number, &channels, to_number, &bit_depth, &pixels, to_number,
                        &compression)) {
    return NULL;
  }
  if (!is_within("width", width, 1, LONGEST_SIDE)) goto done;
  if (!is_within("height", height, 1, LONGEST_SIDE)) goto done;
  if (!is_within("channels", channels, 1, 4)) goto done;
  if (!is_within("compression", compression, 0, 9)) goto done;
  if (bit_depth != 8 && bit_depth != 16) {
    PyErr_Format(PyExc_ValueError, "bit_depth must be 8 or 16, not %lld", bit_depth);
    goto done;
  }
  size = width * height * channels * (bit_depth / 8); /* 19 + 19 + 3 + 1 bits */
  if (size != pixels.len) {
    PyErr_Format(PyExc_ValueError,
                 "%lld x %lld pixels with %lld channels of %lld bit are %lld bytes, data has %zd",
                 width, height, channels, bit_depth, size, pixels.len);
    goto done;
  }
  memset(&encoder, 0, sizeof encoder);
  encoder.width = (unsigned long)width;
  encoder.height = (unsigned long)height;
  encoder.channels = (int)channels;
  encoder.bit_depth = (int)bit_depth;
  encoder.compression = (int)compression;
  encoder.row_size = (size_t)(size / height);
  encoder.pixels = (const unsigned char *)pixels.buf;
  result = encode_pixels(module, &encoder);
  png_destroy_write_struct(&encoder.coder.png, &encoder.coder.info);
  free(encoder.file);
done:
  PyBuffer_Release(&pixels);
  return result;
}

/* Named apart from the libraries' own functions, some of which are macros here. */
static PyObject *checksum(PyObject *module, PyObject *arguments) {
  Py_buffer data;
  unsigned int value = 0;
  unsigned long sum;

  (void)module;
  if (!PyArg_ParseTuple(arguments, "y*|I:crc32", &data, &value)) return NULL;
  sum = value;
  /* A buffer without bytes may have no address, and zlib would begin anew. */
  if (data.len >= WORTH_RELEASING) {
    Py_BEGIN_ALLOW_THREADS
    sum = crc32_z(sum, (const unsigned char *)data.buf, (size_t)data.len);
    Py_END_ALLOW_THREADS
  } else if (data.len > 0) {
    sum = crc32_z(sum, (const unsigned char *)data.buf, (size_t)data.len);
  }
  PyBuffer_Release(&data);
  return PyLong_FromUnsignedLong(sum);
}

static PyObject *versions(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return Py_BuildValue("{s:s,s:s,s:s,s:s}", "libpng", png_get_libpng_ver(NULL), "libpng_header",
                       PNG_LIBPNG_VER_STRING, "zlib", zlibVersion(), "zlib_header", ZLIB_VERSION);
}

static PyMethodDef methods[] = {
    {"decode", decode, METH_VARARGS,
     "decode($module, data, max_bytes, /)\n--\n\n"
     "Return width, height, channels, bit depth and pixels of the PNG file in a buffer."},
    {"encode", encode, METH_VARARGS,
     "encode($module, width, height, channels, bit_depth, data, compression, /)\n--\n\n"
     "Return a PNG file with the pixels in a buffer."},
    {"crc32", checksum, METH_VARARGS,
     "crc32($module, data, value=0, /)\n--\n\nReturn the CRC-32 of a buffer."},
    {"versions", versions, METH_NOARGS,
     "versions($module, /)\n--\n\n"
     "Return the versions of the libraries that are loaded, and of the headers at build time."},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module) {
  State *state = (State *)PyModule_GetState(module);
  state->png_error = PyErr_NewExceptionWithDoc(
      "minipng.PngError", "A file is no PNG file, is damaged, or is larger than allowed.",
      PyExc_ValueError, NULL);
  if (!state->png_error) return -1;
  return PyModule_AddObjectRef(module, "PngError", state->png_error);
}

static int traverse_module(PyObject *module, visitproc visit, void *arg) {
  State *state = (State *)PyModule_GetState(module);
  Py_VISIT(state->png_error);
  return 0;
}

static int clear_module(PyObject *module) {
  State *state = (State *)PyModule_GetState(module);
  Py_CLEAR(state->png_error);
  return 0;
}

static void free_module(void *module) { clear_module((PyObject *)module); }

/* In every subinterpreter, and without the GIL: the only state is each module's own, and libpng
   and zlib keep theirs in the structs that they are given. A slot is missing where the Python, or
   the stable ABI's version, is older than it is. */
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)fill_module},
#ifdef Py_MOD_PER_INTERPRETER_GIL_SUPPORTED
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_ext", NULL, sizeof(State), methods, slots, traverse_module,
    clear_module, free_module,
};

PyMODINIT_FUNC PyInit__ext(void) { return PyModuleDef_Init(&module); }
