// @WHAT@
// @ARDUINO@
#include <WiFi.h>

WiFiClient hub;

void setup() {
  Serial.begin(115200);
  WiFi.begin("@WIFI@", "@PASSWORD@");
  while (WiFi.status() != WL_CONNECTED) delay(200);
}

void loop() {
  if (!hub.connected()) {
    // @BOARD@
    if (!hub.connect("@HOST@", @PORT@)) return delay(2000);
    hub.print("/join @ROOM@\n");
    hub.print("bonjour\n");
  }
  while (hub.available()) Serial.write(hub.read());
  if (Serial.available()) hub.print(Serial.readStringUntil('\n') + "\n");
}
