/* Signatures of webhooks. */
#include "webhook_signature.h"

#include "nst/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The example that the reference libraries of Standard Webhooks are tested with. */
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char body[] = "{\"test\": 2432232314}";

static void the_published_example(void **state) {
  (void)state;
  nst_webhook_key key;
  char signature[NST_WEBHOOK_SIGNATURE_SIZE];
  assert_int_equal(nst_webhook_key_parse(secret, &key, NULL), NST_OK);
  assert_int_equal(key.size, 24);
  nst_webhook_sign(&key, id, 1614265330, body, sizeof body - 1, signature);
  assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  nst_webhook_key_release(&key);
  assert_int_equal(key.size + key.bytes[0], 0);
}

static void everything_is_signed(void **state) {
  (void)state;
  nst_webhook_key key, other;
  char signatures[5][NST_WEBHOOK_SIGNATURE_SIZE];
  assert_int_equal(nst_webhook_key_parse(secret, &key, NULL), NST_OK);
  assert_int_equal(nst_webhook_key_parse("whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &other, NULL), NST_OK);
  nst_webhook_sign(&key, id, 1614265330, body, sizeof body - 1, signatures[0]);
  nst_webhook_sign(&other, id, 1614265330, body, sizeof body - 1, signatures[1]);
  nst_webhook_sign(&key, "msg_", 1614265330, body, sizeof body - 1, signatures[2]);
  nst_webhook_sign(&key, id, 1614265331, body, sizeof body - 1, signatures[3]);
  nst_webhook_sign(&key, id, 1614265330, body, sizeof body - 2, signatures[4]);
  for (int i = 0; i < 5; i++)
    for (int k = 0; k < i; k++) assert_string_not_equal(signatures[i], signatures[k]);
}

/* Bytes 0, 1, 2, ... in base64: three of them are four characters. */
#define B24 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
#define B48 B24 "GBkaGxwdHh8gISIjJCUmJygpKissLS4v"

static void secrets(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t size; /* 0: it is none */
  } cases[] = {
      {"whsec_" B24, 24},
      {"whsec_" B24 "GA==", 25},
      {"whsec_" B48 "MDEyMzQ1Njc4OTo7PD0+Pw==", 64},
      {"whsec_" B48 "MDEyMzQ1Njc4OTo7PD0+P0A=", 0},  /* 65 bytes */
      {"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=", 0}, /* 23 bytes */
      {"whsec_" B24 "GA", 0},
      {"whsec_" B24 "GA=", 0},
      {"whsec_" B24 " ", 0},
      {"whsec_" B24 "\n", 0},
      {"whsec_" B24 "_-__", 0},
      {"whsec_ " B24, 0},
      {"whsec_", 0},
      {"WHSEC_" B24, 0},
      {B24, 0},
      {"", 0},
      {"whsec", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nst_webhook_key key;
    nst_error err = NST_ERROR_INIT;
    nst_status status = nst_webhook_key_parse(cases[i].text, &key, &err);
    assert_int_equal(status, cases[i].size > 0 ? NST_OK : NST_INVALID);
    assert_int_equal(key.size, cases[i].size);
    for (size_t k = 0; k < cases[i].size; k++) assert_int_equal(key.bytes[k], k);
    if (status == NST_OK) continue;
    assert_string_equal(err.field, "webhook_secret");
    assert_null(strstr(err.detail, "AAEC"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_published_example),
      cmocka_unit_test(everything_is_signed),
      cmocka_unit_test(secrets),
  };
  nst_error err = NST_ERROR_INIT;
  if (nst_crypto_init(&err) != NST_OK) return 1;
  return cmocka_run_group_tests_name("webhook signature", tests, NULL, NULL);
}
