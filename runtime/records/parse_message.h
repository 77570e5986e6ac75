// runtime/records/parse_message.h - bytes from outside as a protobuf message, in silence.
//
// Threads: any. protobuf itself prints to stderr what it finds wrong; here the caller is the one to
// tell, or not.
#pragma once

#include <string_view>

namespace google::protobuf {
class MessageLite;
}  // namespace google::protobuf

namespace dime::records {

// False where `bytes` are no such message.
[[nodiscard]] bool ParseMessage(std::string_view bytes, google::protobuf::MessageLite* message);

}  // namespace dime::records
